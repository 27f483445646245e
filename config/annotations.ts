const PREFIX = "metallb.io/";
const LEGACY_PREFIX = "metallb.universe.tf/";

/** Annotations of a Service, without their prefix. */
export const ANNOTATION = {
  /** Take the address from this pool. */
  addressPool: "address-pool",
  /** Take these addresses: one, or one of each family, separated by a comma. */
  loadBalancerIps: "loadBalancerIPs",
  /** Services with the same value may share an address. */
  allowSharedIp: "allow-shared-ip",
  /** Written by the controller: the pool the address came from. */
  allocatedFromPool: "ip-allocated-from-pool",
} as const;

export type Annotation = (typeof ANNOTATION)[keyof typeof ANNOTATION];
type Annotated = { readonly metadata?: { readonly annotations?: Readonly<Record<string, string>> } };

/** The full name, as it is written today. */
export function annotationKey(annotation: Annotation): string {
  return PREFIX + annotation;
}

/** The name MetalLB used before 0.14.9, still read. */
export function legacyAnnotationKey(annotation: Annotation): string {
  return LEGACY_PREFIX + annotation;
}

/** The value under the present name, even an empty one, else under the legacy name. */
export function annotationOf(object: Annotated, annotation: Annotation): string | undefined {
  const annotations = object.metadata?.annotations ?? {};
  return annotations[annotationKey(annotation)] ?? annotations[legacyAnnotationKey(annotation)];
}

/** The annotations of `object` under the legacy prefix, by name. */
export function legacyAnnotations(object: Annotated): readonly string[] {
  return Object.keys(object.metadata?.annotations ?? {})
    .filter((key) => key.startsWith(LEGACY_PREFIX))
    .sort();
}

/** Annotations of a Service that are Ironbridge's own, in full. */
export const OWN_ANNOTATION = {
  /** How its connections are spread over its endpoints: random, source-hash or maglev. */
  loadBalancing: "ironbridge.io/load-balancing",
  /** Shares of single endpoints, by address or by node: "10.244.1.7=3, node-a=2"; others have 1. */
  endpointWeights: "ironbridge.io/endpoint-weights",
  /** For how many seconds its UDP flows may go on to an endpoint that was removed. */
  endpointDrain: "ironbridge.io/endpoint-drain-seconds",
} as const;
