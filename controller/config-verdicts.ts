import { type ConditionNews, type Problem, VALID, ValidReason } from "../config/mod.ts";
import { type KubeObject, objectKey } from "../kube/mod.ts";

/** What was found about each configuration object, by kind and namespace/name. */
export type Verdicts = ReadonlyMap<string, ConditionNews>;

export function verdictKey(kind: string, object: KubeObject): string {
  return `${kind} ${objectKey(object)}`;
}

/** What to say on each of the objects that the problems were found in, or not. */
export function verdictsOf(
  objects: readonly { readonly kind: string; readonly object: KubeObject }[],
  problems: readonly Problem[],
): Verdicts {
  const messages = Map.groupBy(problems, ({ kind, namespace, name }) =>
    verdictKey(kind, { metadata: { namespace, name } }),
  );
  return new Map(
    objects.map(({ kind, object }) => {
      const key = verdictKey(kind, object);
      return [key, conditionOf(messages.get(key) ?? [], object.metadata?.generation)];
    }),
  );
}

function conditionOf(problems: readonly Problem[], generation: number | undefined): ConditionNews {
  const valid = problems.length === 0;
  return {
    type: VALID,
    status: valid ? "True" : "False",
    reason: valid ? ValidReason.Reconciled : ValidReason.ConfigurationError,
    message: valid ? "in force" : problems.map(({ message }) => message).join(" "),
    ...(generation === undefined ? {} : { observedGeneration: generation }),
  };
}
