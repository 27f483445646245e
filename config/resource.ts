/** What of an object's metadata configuration reads. Timestamps are RFC 3339 text. */
export interface ObjectMeta {
  readonly name?: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly generation?: number;
  readonly creationTimestamp?: string;
  readonly labels?: { [key: string]: string };
  readonly annotations?: { [key: string]: string };
}

/** An object of a custom kind as the API server holds it. */
export interface CustomObject<Spec, Status> {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata?: ObjectMeta;
  readonly spec: Spec;
  readonly status?: Status;
}

/** Where objects of one kind live in the API; `T` is their type. */
export interface CustomResource<T> {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
  /** Carries the type only; never set. */
  readonly type?: T;
}

/** A resource of MetalLB's API group, by the version that is stored. */
export function metallbResource<T>(kind: string, plural: string, version = "v1beta1"): CustomResource<T> {
  return { group: "metallb.io", version, kind, plural, namespaced: true };
}

/** "namespace/name". */
export function nameOf(object: { readonly metadata?: ObjectMeta }): string {
  const { namespace = "", name = "" } = object.metadata ?? {};
  return namespace === "" ? name : `${namespace}/${name}`;
}

/** Milliseconds since 1970; an object without a time counts as the oldest. */
export function createdAt(object: { readonly metadata?: ObjectMeta }): number {
  const created = object.metadata?.creationTimestamp;
  return created === undefined ? 0 : Date.parse(created);
}

/** Oldest first, then by name: the order in which objects that exclude each other win. */
export function byAge(a: { readonly metadata?: ObjectMeta }, b: { readonly metadata?: ObjectMeta }): number {
  return createdAt(a) - createdAt(b) || compareText(nameOf(a), nameOf(b));
}

/** Order by code unit, the same on every machine whatever its language. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
