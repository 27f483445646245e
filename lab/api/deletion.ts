import type { ApiObject } from "./json.ts";
import { conflict } from "./refusal.ts";
import type { ApiResource } from "./resource.ts";
import { endsAtOnce, gracePeriodOf } from "./workload-defaults.ts";

export interface DeleteOptions {
  readonly gracePeriodSeconds?: number | undefined;
  /** Background when not given. */
  readonly propagationPolicy?: string | undefined;
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string } | undefined;
  readonly dryRun?: boolean | undefined;
}

/** RFC 3339 with seconds, as objects hold times. */
export function timestamp(date: Date): string {
  return `${date.toISOString().slice(0, 19)}Z`;
}

/**
 * The object with its deletion asked for: a Pod waits for its kubelet, a namespace for its contents, anything for its
 * finalizers. `object` itself when that was asked for already; undefined when it can go at once.
 */
export function marked(
  resource: ApiResource,
  object: ApiObject,
  options: DeleteOptions,
  now: Date,
): ApiObject | undefined {
  const finalizers = finalizersFor(object, options.propagationPolicy);
  const grace = resource.storage === "pods" ? graceOf(object, options) : 0;
  if (finalizers.length === 0 && grace === 0 && resource.storage !== "namespaces") return undefined;
  const { deletionTimestamp: asked, deletionGracePeriodSeconds: before = 0 } = object.metadata;
  if (asked !== undefined && grace >= before) return object;
  const deletionTimestamp = timestamp(new Date(now.getTime() + grace * 1000));
  const metadata = { ...object.metadata, deletionTimestamp, deletionGracePeriodSeconds: grace };
  const result = { ...object, metadata: finalizers.length > 0 ? { ...metadata, finalizers } : metadata };
  return resource.storage === "namespaces" ? { ...result, status: { phase: "Terminating" } } : result;
}

/** True for a dying Pod or namespace, which the kubelet or the collector takes out, not the loss of its finalizers. */
export function waitsForOthers(resource: ApiResource, { metadata }: ApiObject): boolean {
  return resource.storage === "namespaces" || (metadata.deletionGracePeriodSeconds ?? 0) > 0;
}

/** @throws {Refusal} 409 when the object is not the one the client means. */
export function checkPreconditions(resource: ApiResource, { metadata }: ApiObject, options: DeleteOptions): void {
  const { uid, resourceVersion } = options.preconditions ?? {};
  const isOther =
    (uid !== undefined && uid !== metadata.uid) ||
    (resourceVersion !== undefined && resourceVersion !== metadata.resourceVersion);
  if (isOther) throw conflict(resource, metadata.name, "Precondition failed: the object is another one or has changed");
}

function graceOf(pod: ApiObject, options: DeleteOptions): number {
  return endsAtOnce(pod) ? 0 : (options.gracePeriodSeconds ?? gracePeriodOf(pod));
}

function finalizersFor(object: ApiObject, policy: string | undefined): readonly string[] {
  const finalizers = object.metadata.finalizers ?? [];
  const wanted = policy === "Foreground" ? "foregroundDeletion" : policy === "Orphan" ? "orphan" : undefined;
  return wanted === undefined || finalizers.includes(wanted) ? finalizers : [...finalizers, wanted];
}
