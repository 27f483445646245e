import { z } from "zod";

/** One statement about an object, as metav1.Condition has it. */
const condition = z.object({
  type: z.string().describe("What the statement is about."),
  status: z.enum(["True", "False", "Unknown"]).describe("Whether it holds."),
  observedGeneration: z.int().optional().meta({ format: "int64" }).describe("The generation of the spec it is about."),
  lastTransitionTime: z.string().meta({ format: "date-time" }).describe("When the status last changed."),
  reason: z.string().describe("One word for programs."),
  message: z.string().describe("A sentence for people."),
});

export type Condition = z.output<typeof condition>;
/** A condition as the program that finds it knows it. */
export type ConditionNews = Omit<Condition, "lastTransitionTime">;

/** A condition of any object, whoever wrote it. */
interface AnyCondition extends Omit<ConditionNews, "status"> {
  readonly status: string;
  readonly lastTransitionTime: string;
}

/** The field `conditions` of a status; programs that write different types of conditions keep out of each other's way. */
export const conditionList = z
  .array(condition)
  .optional()
  .meta({ "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"] })
  .describe("What the controller found about the object.");

/** The status of a kind that has nothing in it but conditions. */
export const conditionStatus = z.object({ conditions: conditionList }).optional();

/** Of a configuration object: whether it is in force. */
export const VALID = "Valid";
/** Reasons of that condition, MetalLB's words. */
export const ValidReason = { Reconciled: "Reconciled", ConfigurationError: "ConfigurationError" } as const;
/** Of a BGPPeer, before the name of a node: how its session with that node stands. */
export const SESSION_CONDITION = "session.ironbridge.io/";

/**
 * `conditions` with `news` in the place of the one of `type`, or without it when there is no news. The time of the last
 * change stays while the status does; when nothing changes the same list comes back, and nothing needs to be written.
 */
export function withCondition(
  conditions: readonly AnyCondition[],
  type: string,
  news: ConditionNews | undefined,
  now: () => Date,
): readonly AnyCondition[] {
  const before = conditions.find((each) => each.type === type);
  const others = conditions.filter((each) => each.type !== type);
  if (news === undefined) return before === undefined ? conditions : others;
  if (before !== undefined && sameCondition(before, news)) return conditions;
  const sameStatus = before?.status === news.status;
  return [...others, { ...news, lastTransitionTime: sameStatus ? before.lastTransitionTime : wireTime(now()) }];
}

function sameCondition(a: AnyCondition, b: ConditionNews): boolean {
  return (
    a.status === b.status &&
    a.reason === b.reason &&
    a.message === b.message &&
    a.observedGeneration === b.observedGeneration
  );
}

/** RFC 3339 in whole seconds, as metav1.Time prints it. */
function wireTime(date: Date): string {
  return date.toISOString().replace(/\.\d+Z$/, "Z");
}
