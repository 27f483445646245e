import { z } from "zod";
import { distinctList, repeated } from "./schema.ts";

const requirement = z.object({
  key: z.string().min(1, { error: "the key is empty; name the label" }).describe("The label's key."),
  operator: z
    .enum(["In", "NotIn", "Exists", "DoesNotExist"])
    .describe("In and NotIn compare with `values`; Exists and DoesNotExist look for the key only."),
  values: z.array(z.string()).optional().describe("At least one for In and NotIn, none for Exists and DoesNotExist."),
});

/** A label selector of Kubernetes; all its requirements must hold. */
export const labelSelector = z
  .object({
    matchLabels: z
      .record(z.string(), z.string())
      .optional()
      .describe("Labels that must be there with exactly this value."),
    matchExpressions: z.array(requirement).optional().describe("Further requirements on the labels."),
  })
  .describe("A label selector. An empty one matches everything.")
  .superRefine((selector, context) => {
    const expressions = selector.matchExpressions ?? [];
    const complain = (path: (string | number)[], message: string) =>
      context.addIssue({ code: "custom", path: ["matchExpressions", ...path], message });
    for (const { index, first } of repeated(expressions)) {
      complain([index], `the same requirement is already in entry ${first}; remove one of the two`);
    }
    for (const [index, { operator, values = [] }] of expressions.entries()) {
      const wantsValues = operator === "In" || operator === "NotIn";
      if (wantsValues && values.length === 0) {
        complain([index, "values"], `operator ${operator} needs values; list at least one`);
      }
      if (!wantsValues && values.length > 0) {
        complain([index, "values"], `operator ${operator} takes no values; remove them`);
      }
      for (const twice of repeated(values)) {
        complain([index, "values", twice.index], "the same value is listed twice; remove one of the two");
      }
    }
  });

type Requirement = z.output<typeof requirement>;
export type LabelSelector = z.output<typeof labelSelector>;
export type Labels = Readonly<Record<string, string>>;

/** A list of selectors of which one must match; empty unless given. */
export function selectorList(description: string) {
  return distinctList(labelSelector, "selector", description);
}

/** True when every requirement of `selector` holds. An empty selector matches everything. */
export function matchesSelector(selector: LabelSelector, labels: Labels = {}): boolean {
  return (
    Object.entries(selector.matchLabels ?? {}).every(([key, value]) => labelOf(labels, key) === value) &&
    (selector.matchExpressions ?? []).every((requirement) => matchesRequirement(requirement, labels))
  );
}

function matchesRequirement({ key, operator, values = [] }: Requirement, labels: Labels): boolean {
  const value = labelOf(labels, key);
  switch (operator) {
    case "In":
      return value !== undefined && values.includes(value);
    case "NotIn":
      return value === undefined || !values.includes(value);
    case "Exists":
      return value !== undefined;
    case "DoesNotExist":
      return value === undefined;
  }
}

function labelOf(labels: Labels, key: string): string | undefined {
  return Object.hasOwn(labels, key) ? labels[key] : undefined;
}

/** True when one of `selectors` matches. No selector at all matches nothing: the caller decides what absence means. */
export function matchesAny(selectors: readonly LabelSelector[], labels: Labels = {}): boolean {
  return selectors.some((selector) => matchesSelector(selector, labels));
}
