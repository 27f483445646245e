import type { z } from "zod";
import type { Problem, Remark } from "./model.ts";
import { type CustomResource, nameOf, type ObjectMeta } from "./resource.ts";
import { type FieldMistake, type KindDescription, parseSpec, showValue } from "./schema.ts";

type Named = { readonly metadata?: ObjectMeta };

/** One object read: what it says, or what is wrong with it; and what of it is not done though nothing is wrong. */
export type Resolved<T> = {
  readonly value?: T;
  readonly problems: readonly Problem[];
  readonly remarks?: readonly Remark[];
};

/** A mistake, or the name of another object that is not there yet. */
export type Mistake = FieldMistake & { readonly waits?: true };

/** An object as one kind reads it, before it is held against the others. */
export type Read<Spec extends z.ZodType> =
  | { readonly ok: true; readonly spec: z.output<Spec>; readonly name: string; readonly namespace: string }
  | { readonly ok: false; readonly problems: readonly Problem[] };

export function readObject<Spec extends z.ZodType>(
  resource: CustomResource<unknown>,
  kind: KindDescription<Spec>,
  object: Named & { readonly spec?: unknown },
): Read<Spec> {
  const parsed = parseSpec(kind.spec, object.spec);
  if (!parsed.ok) return { ok: false, problems: problemsOf(resource, object, parsed.mistakes) };
  const { name = "", namespace = "" } = object.metadata ?? {};
  return { ok: true, spec: parsed.value, name, namespace };
}

/** The mistakes as they are told: object, field, value, why, remedy. */
export function problemsOf(
  resource: CustomResource<unknown>,
  object: Named,
  mistakes: readonly Mistake[],
): readonly Problem[] {
  const { name = "", namespace = "" } = object.metadata ?? {};
  return mistakes.map(({ field, value, complaint, waits }) => ({
    kind: resource.kind,
    namespace,
    name,
    field,
    value,
    message: `${resource.kind} ${nameOf(object)}: ${field} is ${value}: ${complaint}.`,
    ...(waits === undefined ? {} : { waits }),
  }));
}

/** Where MetalLB is usually installed: what was written for it stays where it is. */
const METALLB_HOME = "metallb-system";

/**
 * Configuration belongs to the namespace of Ironbridge, so that only who may write there gives addresses away.
 * @param home That namespace; undefined: every namespace will do.
 */
export function namespaceMistakes({ metadata }: Named, home: string | undefined): readonly Mistake[] {
  const { namespace = "" } = metadata ?? {};
  if (home === undefined || namespace === home || namespace === METALLB_HOME) return [];
  const complaint = `resource must be created in ${home} namespace, or in ${METALLB_HOME}; create it there`;
  return [{ field: "metadata.namespace", value: showValue(namespace), complaint }];
}

/** "IPAddressPool metallb-system/a" */
export function describeObject(resource: CustomResource<unknown>, metadata: ObjectMeta): string {
  return `${resource.kind} ${nameOf({ metadata })}`;
}
