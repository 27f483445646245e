import { z } from "zod";

/** A column of `kubectl get`. */
export interface PrinterColumn {
  readonly name: string;
  readonly type: "string" | "boolean" | "integer" | "date";
  readonly jsonPath: string;
  /** Above 0: shown only with `-o wide`. */
  readonly priority?: number;
}

/** One custom kind, described once: its types, its CRD and its parser all come from here. */
export interface KindDescription<Spec extends z.ZodType = z.ZodType> {
  readonly description: string;
  readonly spec: Spec;
  readonly status: z.ZodType;
  readonly columns: readonly PrinterColumn[];
  /** Versions that are still served and not stored; their fields have the same names and types as the stored ones. */
  readonly older?: readonly OlderVersion[];
}

/** A version of a kind that people may still write. */
export interface OlderVersion {
  readonly version: string;
  /** What the API server answers to whoever uses it. */
  readonly warning: string;
  readonly spec: z.ZodType;
  readonly columns: readonly PrinterColumn[];
}

/** A rule the API server itself checks, in CEL, and what it answers when the rule does not hold. */
export function rule(cel: string, message: string): { readonly "x-kubernetes-validations": readonly object[] } {
  return { "x-kubernetes-validations": [{ rule: cel, message }] };
}

/** What is wrong with one field. */
export interface FieldMistake {
  /** From the root of the object: `spec.addresses[0]`. */
  readonly field: string;
  /** What was found there, as JSON; "not set" when nothing was. */
  readonly value: string;
  /** Why it can't be used, and what to write instead, without the full stop. */
  readonly complaint: string;
}

export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly mistakes: readonly FieldMistake[] };

/** Reads the spec of an object: defaults filled in, unknown fields dropped, every mistake reported at once. */
export function parseSpec<Spec extends z.ZodType>(schema: Spec, spec: unknown): Parsed<z.output<Spec>> {
  const result = schema.safeParse(spec, { error: (issue) => complaintOf(issue) });
  if (result.success) return { ok: true, value: result.data };
  const mistakes = result.error.issues.map((issue) => ({
    field: printPath(["spec", ...issue.path]),
    value: showValue(valueAt(spec, issue.path)),
    complaint: issue.message,
  }));
  return { ok: false, mistakes };
}

/** A value as a message shows it: JSON, cut to a readable length. */
export function showValue(value: unknown): string {
  if (value === undefined) return "not set";
  const text = JSON.stringify(value);
  return text.length <= 120 ? text : `${text.slice(0, 117)}...`;
}

/** A list that is empty unless given, and refuses the same entry twice. `noun` names one entry in the message. */
export function distinctList<Item extends z.ZodType>(item: Item, noun: string, description: string) {
  return z
    .array(item)
    .default([])
    .describe(description)
    .superRefine((items, context) => {
      for (const { index, first } of repeated(items)) {
        context.addIssue({
          code: "custom",
          path: [index],
          message: `the same ${noun} is already in entry ${first}; remove one of the two`,
        });
      }
    });
}

/** Entries that print the same as an earlier one. */
export function repeated(items: readonly unknown[]): { readonly index: number; readonly first: number }[] {
  const seen = new Map<string, number>();
  return items.flatMap((item, index) => {
    const text = JSON.stringify(item);
    const first = seen.get(text);
    if (first === undefined) seen.set(text, index);
    return first === undefined ? [] : [{ index, first }];
  });
}

/** The words for what zod itself checks; checks of our own bring their words with them. */
function complaintOf(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case "invalid_type":
      if (issue.input === undefined)
        return `the field is required; set it to ${ARTICLES[issue.expected] ?? issue.expected}`;
      return `the value has the wrong type; write ${ARTICLES[issue.expected] ?? issue.expected}`;
    case "invalid_value":
      return `the value is not known; write one of ${issue.values.map(String).join(", ")}`;
    case "too_small":
      return `the value is too small; the smallest allowed is ${issue.minimum}`;
    case "too_big":
      return `the value is too big; the biggest allowed is ${issue.maximum}`;
    default:
      return undefined;
  }
}

const ARTICLES: Readonly<Record<string, string>> = {
  string: "a text",
  boolean: "true or false",
  array: "a list",
  object: "an object",
  record: "a map of texts",
  int: "a whole number",
  number: "a number",
};

function printPath(path: readonly PropertyKey[]): string {
  return path
    .map((part, i) => (typeof part === "number" ? `[${part}]` : `${i > 0 ? "." : ""}${String(part)}`))
    .join("");
}

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  let value = root;
  for (const part of path) {
    if (typeof value !== "object" || value === null) return undefined;
    value = (value as Record<PropertyKey, unknown>)[part];
  }
  return value;
}
