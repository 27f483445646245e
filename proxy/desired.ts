import type { Indexes, KubeObject, V1EndpointSlice, V1Service } from "../kube/mod.ts";
import { ADDRESS_BITS, type Family, type Prefix, parseAddress, prefixContains, prefixOf } from "../net/mod.ts";
import { canonicalAddress, canonicalAddresses, canonicalPrefixes, familyOf, tryParsePrefix } from "./canonical.ts";
import { drainOf } from "./drain.ts";
import { type Endpoint, mergeEndpoints, selectEndpoints } from "./endpoints.ts";
import { healthCheckOf } from "./health-check.ts";
import type { Protocol, ServicePort } from "./service-port.ts";
import { type Spread, spreadOf, weightOf } from "./spread.ts";
import type { Surroundings } from "./surroundings.ts";

const SERVICE_NAME = "kubernetes.io/service-name";
/** Objects with one of these labels are somebody else's to forward, whatever the label's value. */
const FOREIGN = ["service.kubernetes.io/headless", "service.kubernetes.io/service-proxy-name"];
const FAMILIES: readonly Family[] = ["ipv4", "ipv6"];

/** The indexes that the store of EndpointSlices must be started with. */
export const SLICE_INDEXES = {
  service: (slice: V1EndpointSlice) => {
    const key = serviceKeyOf(slice);
    return key === undefined ? [] : [key];
  },
} satisfies Indexes<V1EndpointSlice>;

/** Key of the Service that `slice` belongs to; undefined for slices that are not this proxy's. */
export function serviceKeyOf(slice: V1EndpointSlice): string | undefined {
  const { namespace = "", labels = {} } = slice.metadata ?? {};
  const name = labels[SERVICE_NAME];
  return name === undefined || isForeign(slice) ? undefined : `${namespace}/${name}`;
}

/** Canonical load balancer addresses of `service` that a node answers for: not host names, not ipMode Proxy (KEP-1860). */
export function loadBalancerAddresses(service: V1Service): string[] {
  if (service.spec?.type !== "LoadBalancer") return [];
  const ingress = (service.status?.loadBalancer?.ingress ?? []).filter(({ ipMode = "VIP" }) => ipMode === "VIP");
  return canonicalAddresses(ingress.map(({ ip = "" }) => ip));
}

/**
 * What this node forwards for `service`: one entry for each port and address family.
 * Empty for Services without a cluster IP (headless, ExternalName) and those that are another proxy's.
 */
export function desiredPorts(
  service: V1Service,
  slices: readonly V1EndpointSlice[],
  surroundings: Surroundings,
): ServicePort[] {
  if (service.spec?.type === "ExternalName" || isForeign(service)) return [];
  const clusterIps = service.spec?.clusterIPs ?? [service.spec?.clusterIP ?? ""];
  return FAMILIES.flatMap((family) => {
    const clusterIp = clusterIps.map((text) => canonicalAddress(text, family)).find((text) => text !== undefined);
    return clusterIp === undefined ? [] : portsOfFamily(service, slices, surroundings, family, clusterIp);
  });
}

function portsOfFamily(
  service: V1Service,
  slices: readonly V1EndpointSlice[],
  surroundings: Surroundings,
  family: Family,
  clusterIp: string,
): ServicePort[] {
  const { namespace = "", name = "" } = service.metadata ?? {};
  const spec = service.spec ?? {};
  const spread = spreadOf(service);
  const loadBalancerIps = loadBalancerAddresses(service).filter((address) => familyOf(address) === family);
  const sourceRanges = sourceRangesOf(spec.loadBalancerSourceRanges ?? [], family, loadBalancerIps, surroundings);
  const shared = {
    family,
    clusterIp,
    externalIps: canonicalAddresses(spec.externalIPs ?? []).filter((address) => familyOf(address) === family),
    loadBalancerIps,
    ...(sourceRanges === undefined ? {} : { sourceRanges }),
    internalPolicy: spec.internalTrafficPolicy === "Local" ? ("local" as const) : ("cluster" as const),
    externalPolicy: spec.externalTrafficPolicy === "Local" ? ("local" as const) : ("cluster" as const),
    affinitySeconds: affinityOf(service),
    balancing: spread.balancing,
    drain: drainOf(service).time,
    healthCheckNodePort: healthCheckOf(service, [], surroundings.node)?.port ?? 0,
    // A load balancer that lends out nodes' own addresses must not shut the nodes' other ports.
    guarded: [clusterIp, ...loadBalancerIps.filter((address) => !surroundings.nodeAddresses.has(address))],
  };
  return (spec.ports ?? []).map((port) => {
    const protocol = (port.protocol ?? "TCP").toLowerCase() as Protocol;
    const merged = mergeEndpoints(slices, { family, name: port.name ?? "", protocol }, surroundings);
    const endpoints = spread.weights.size === 0 ? merged : merged.map((endpoint) => withWeight(endpoint, spread));
    return {
      ...shared,
      name: `${namespace}/${name}:${port.name ?? ""}`,
      protocol,
      port: port.port,
      nodePort: port.nodePort ?? 0,
      ...selectEndpoints(endpoints, surroundings),
      serving: protocol === "udp" ? endpoints.filter(({ serving }) => serving) : [],
    };
  });
}

function withWeight(endpoint: Endpoint, spread: Spread): Endpoint {
  return { ...endpoint, weight: weightOf(spread, endpoint.address, endpoint.nodeName) };
}

/** The API gives 3 hours where the Service names no time. */
const AFFINITY_SECONDS = 10_800;

function affinityOf({ spec }: V1Service): number {
  if (spec?.sessionAffinity !== "ClientIP") return 0;
  return spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? AFFINITY_SECONDS;
}

/**
 * The sources that may use the load balancer addresses; undefined when everybody may.
 * Ranges of the other family alone restrict nothing in this one. When this node itself is in a range, the load balancer
 * addresses are sources too: a node that holds such an address sends from it.
 */
function sourceRangesOf(
  ranges: readonly string[],
  family: Family,
  loadBalancerIps: readonly string[],
  { addresses }: Surroundings,
): string[] | undefined {
  const texts = ranges.filter((range) => familyOf(range) === family);
  if (texts.length === 0) return undefined;
  const prefixes = texts.map(tryParsePrefix).filter((prefix) => prefix !== undefined);
  const allowsNode = addresses.some((address) =>
    prefixes.some((prefix) => prefixContains(prefix, parseAddress(address))),
  );
  return canonicalPrefixes(allowsNode ? [...prefixes, ...loadBalancerIps.map(hostPrefix)] : prefixes);
}

function hostPrefix(address: string): Prefix {
  return prefixOf(parseAddress(address), ADDRESS_BITS[familyOf(address)]);
}

function isForeign(object: KubeObject): boolean {
  const labels = object.metadata?.labels ?? {};
  return FOREIGN.some((label) => label in labels);
}
