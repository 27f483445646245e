import { z } from "zod";
import { conditionList } from "./condition.ts";
import { type CustomObject, type CustomResource, metallbResource } from "./resource.ts";
import type { KindDescription } from "./schema.ts";

const status = z
  .object({
    result: z
      .enum(["Valid", "Invalid", "Unknown"])
      .optional()
      .describe("Invalid: at least one object is left out because of a mistake."),
    errorSummary: z.string().optional().describe("The mistakes, one a line."),
    conditions: conditionList,
  })
  .optional();

const spec = z.object({}).optional();

export const CONFIGURATION_STATE: KindDescription<typeof spec> = {
  description: "Says whether the controller, or one node's speaker, can use the whole configuration.",
  spec,
  status,
  columns: [
    { name: "Result", type: "string", jsonPath: ".status.result" },
    { name: "ErrorSummary", type: "string", jsonPath: ".status.errorSummary" },
    { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" },
  ],
};

export interface ConfigurationState extends Omit<CustomObject<object, z.output<typeof status>>, "spec"> {
  readonly spec?: object;
}

export const CONFIGURATION_STATES: CustomResource<ConfigurationState> = metallbResource(
  "ConfigurationState",
  "configurationstates",
);

/** Label of a ConfigurationState: whose it is. */
export const COMPONENT_LABEL = "metallb.io/component-type";
