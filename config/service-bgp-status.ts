import { z } from "zod";
import { type CustomObject, type CustomResource, metallbResource } from "./resource.ts";
import type { KindDescription } from "./schema.ts";
import { fixedText } from "./service-l2-status.ts";

const status = z
  .object({
    node: fixedText("The node that announces the Service."),
    serviceName: fixedText("Name of the Service."),
    serviceNamespace: fixedText("Namespace of the Service."),
    peers: z.array(z.string()).optional().describe("The BGPPeers the Service is to be announced to."),
  })
  .optional();

const spec = z.object({}).optional();

export const SERVICE_BGP_STATUS: KindDescription<typeof spec> = {
  description: "Says to which peers a node announces a Service. Written by the speakers.",
  spec,
  status,
  columns: [
    { name: "Node", type: "string", jsonPath: ".status.node" },
    { name: "Service Name", type: "string", jsonPath: ".status.serviceName" },
    { name: "Service Namespace", type: "string", jsonPath: ".status.serviceNamespace" },
  ],
};

export interface ServiceBGPStatus extends Omit<CustomObject<object, z.output<typeof status>>, "spec"> {
  readonly spec?: object;
}

export const SERVICE_BGP_STATUSES: CustomResource<ServiceBGPStatus> = metallbResource(
  "ServiceBGPStatus",
  "servicebgpstatuses",
);
