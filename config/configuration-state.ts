import { z } from "zod";
import { conditionList, ValidReason, withCondition } from "./condition.ts";
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
/** Label of a ConfigurationState of a speaker: the node it is on. */
export const NODE_LABEL = "metallb.io/node-name";

/**
 * The status that says what is wrong, in one condition of type `type`; undefined when `shown` says so already.
 */
export function configurationStatus(
  shown: ConfigurationState | undefined,
  type: string,
  problems: readonly string[],
  now: () => Date,
) {
  const valid = problems.length === 0;
  const errorSummary = problems.join("\n");
  const news = {
    type,
    status: valid ? ("True" as const) : ("False" as const),
    reason: valid ? ValidReason.Reconciled : ValidReason.ConfigurationError,
    message: errorSummary,
  };
  const before = shown?.status;
  const result = valid ? "Valid" : "Invalid";
  const conditions = withCondition(before?.conditions ?? [], type, news, now);
  const same = before?.result === result && before.errorSummary === errorSummary && before.conditions === conditions;
  return same ? undefined : { result, errorSummary, conditions };
}
