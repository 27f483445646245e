import { type ConditionNews, type Config, type Remark, VALID, ValidReason } from "../config/mod.ts";
import { type KubeObject, objectKey } from "../kube/mod.ts";

/** What was found about each configuration object, by kind and namespace/name. */
export type Verdicts = ReadonlyMap<string, ConditionNews>;

export function verdictKey(kind: string, object: KubeObject): string {
  return `${kind} ${objectKey(object)}`;
}

/** What to say on each of the objects that problems, or something less, were found in, or not. */
export function verdictsOf(
  objects: readonly { readonly kind: string; readonly object: KubeObject }[],
  { problems, remarks }: Pick<Config, "problems" | "remarks">,
): Verdicts {
  const mistakes = byObject(problems);
  const others = byObject(remarks);
  return new Map(
    objects.map(({ kind, object }) => {
      const key = verdictKey(kind, object);
      return [key, conditionOf(mistakes.get(key) ?? [], others.get(key) ?? [], object.metadata?.generation)];
    }),
  );
}

function byObject(remarks: readonly Remark[]): ReadonlyMap<string, readonly string[]> {
  const messages = new Map<string, string[]>();
  for (const { kind, namespace, name, message } of remarks) {
    const key = verdictKey(kind, { metadata: { namespace, name } });
    messages.set(key, [...(messages.get(key) ?? []), message]);
  }
  return messages;
}

function conditionOf(
  mistakes: readonly string[],
  others: readonly string[],
  generation: number | undefined,
): ConditionNews {
  const valid = mistakes.length === 0;
  const inForce = others.length === 0 ? "in force" : `in force, but: ${others.join(" ")}`;
  return {
    type: VALID,
    status: valid ? "True" : "False",
    reason: valid ? ValidReason.Reconciled : ValidReason.ConfigurationError,
    message: valid ? inForce : mistakes.join(" "),
    ...(generation === undefined ? {} : { observedGeneration: generation }),
  };
}
