import { z } from "zod";
import { type CustomObject, type CustomResource, metallbResource } from "./resource.ts";
import { type KindDescription, rule } from "./schema.ts";

/** Fields of a status that say what the object is about, and so never change. */
export const fixedText = (description: string) =>
  z.string().optional().meta(rule("self == oldSelf", "Value is immutable")).describe(description);

const status = z
  .object({
    node: fixedText("The node that announces the Service."),
    serviceName: fixedText("Name of the Service."),
    serviceNamespace: fixedText("Namespace of the Service."),
    interfaces: z
      .array(z.object({ name: z.string().optional().describe("Name of the interface.") }))
      .optional()
      .describe("Interfaces the node announces on. None: all of them."),
  })
  .optional();

const spec = z.object({}).optional();

export const SERVICE_L2_STATUS: KindDescription<typeof spec> = {
  description: "Says which node announces a Service on the local network. Written by the speakers.",
  spec,
  status,
  columns: [
    { name: "Allocated Node", type: "string", jsonPath: ".status.node" },
    { name: "Service Name", type: "string", jsonPath: ".status.serviceName" },
    { name: "Service Namespace", type: "string", jsonPath: ".status.serviceNamespace" },
  ],
};

export interface ServiceL2Status extends Omit<CustomObject<object, z.output<typeof status>>, "spec"> {
  readonly spec?: object;
}

export const SERVICE_L2_STATUSES: CustomResource<ServiceL2Status> = metallbResource(
  "ServiceL2Status",
  "servicel2statuses",
);
