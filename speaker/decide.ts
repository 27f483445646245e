import {
  ANNOTATION,
  advertisementsOf,
  annotationOf,
  type Config,
  type L2Advert,
  matchesAny,
  matchesSelector,
  poolOf,
} from "../config/mod.ts";
import { objectKey, type V1EndpointSlice, type V1Node, type V1Service } from "../kube/mod.ts";
import { type Address, printAddress, tryParseAddress } from "../net/mod.ts";
import { MAX_SCORE } from "./claim.ts";

/** Why a Service is announced by no node. */
export type ServiceRefusal =
  /** Its address was given by another program. */
  | "otherClass"
  /** No pool has all its addresses. */
  | "noPool"
  /** No advertisement matches its pool and its labels. */
  | "noAdvertisement"
  /** It may share its address, and an advertisement selects Services: who else has the address could differ by node. */
  | "sharedIPWithServiceSelector"
  /** Nobody would answer. */
  | "noEndpoint";

/** Why one node does not announce a Service that others may. */
export type NodeRefusal = "networkUnavailable" | "excludedByLabel" | "notSelected" | "noLocalEndpoint";

/** What follows from a Service, its endpoints and the configuration, whatever the node. */
export interface ServiceFacts {
  /** namespace/name */
  readonly service: string;
  /** Canonical, in the order of the status; the first decides the rank of all. */
  readonly addresses: readonly string[];
  readonly adverts: readonly L2Advert[];
  /** Nodes with an endpoint; undefined when any node may forward to any endpoint. */
  readonly localNodes?: ReadonlySet<string>;
  readonly refused?: ServiceRefusal;
}

/** How one node stands to a Service. */
export type NodeStanding =
  | { readonly score: number; readonly interfaces: "all" | readonly string[] }
  | { readonly refused: NodeRefusal };

/** A node with this label, whatever its value, serves no load balancer. KEP-1143. */
const EXCLUDE_LABEL = "node.kubernetes.io/exclude-from-external-load-balancers";

/** Undefined for a Service that is not of type LoadBalancer or has no address yet. */
export function factsOf(
  service: V1Service,
  slices: readonly V1EndpointSlice[],
  config: Config,
): ServiceFacts | undefined {
  const addresses = addressesOf(service);
  if (addresses.length === 0) return undefined;
  const facts = { service: objectKey(service), addresses: addresses.map(printAddress) };
  const refuse = (refused: ServiceRefusal): ServiceFacts => ({ ...facts, adverts: [], refused });

  const givenByUs = annotationOf(service, ANNOTATION.allocatedFromPool) !== undefined;
  if (service.spec?.loadBalancerClass !== undefined && !givenByUs) return refuse("otherClass");
  const pool = poolOf(config, addresses);
  if (pool === undefined) return refuse("noPool");
  const adverts = advertisementsOf(config, pool).filter(
    ({ serviceSelectors }) => serviceSelectors.length === 0 || matchesAny(serviceSelectors, service.metadata?.labels),
  );
  if (adverts.length === 0) return refuse("noAdvertisement");
  const selective = adverts.some(({ serviceSelectors }) => serviceSelectors.length > 0);
  if (selective && annotationOf(service, ANNOTATION.allowSharedIp) !== undefined) {
    return refuse("sharedIPWithServiceSelector");
  }
  const serving = slices.flatMap(({ endpoints }) => endpoints ?? []).filter(canServe);
  if (serving.length === 0) return refuse("noEndpoint");
  if (service.spec?.externalTrafficPolicy !== "Local") return { ...facts, adverts };
  return { ...facts, adverts, localNodes: new Set(serving.flatMap(({ nodeName }) => nodeName ?? [])) };
}

/** Whether `node` may announce the Service, and how well it is liked. */
export function standingOf(facts: ServiceFacts, node: V1Node): NodeStanding {
  const { name = "", labels = {} } = node.metadata ?? {};
  const unavailable = (node.status?.conditions ?? []).some(
    ({ type, status }) => type === "NetworkUnavailable" && status === "True",
  );
  if (unavailable) return { refused: "networkUnavailable" };
  if (Object.hasOwn(labels, EXCLUDE_LABEL)) return { refused: "excludedByLabel" };
  const adverts = facts.adverts.filter(
    ({ nodeSelectors }) => nodeSelectors.length === 0 || matchesAny(nodeSelectors, labels),
  );
  if (adverts.length === 0) return { refused: "notSelected" };
  if (facts.localNodes?.has(name) === false) return { refused: "noLocalEndpoint" };

  const weights = adverts
    .flatMap(({ preferredNodeSelectors }) => preferredNodeSelectors)
    .filter(({ preference }) => matchesSelector(preference, labels))
    .map(({ weight }) => weight);
  const score = Math.min(
    MAX_SCORE,
    weights.reduce((sum, weight) => sum + weight, 0),
  );
  const everywhere = adverts.some(({ interfaces }) => interfaces.length === 0);
  const interfaces = everywhere ? "all" : [...new Set(adverts.flatMap((advert) => advert.interfaces))].sort();
  return { score, interfaces };
}

/** Addresses of the status that nodes are to answer for: not host names, not ipMode Proxy (KEP-1860). */
function addressesOf(service: V1Service): Address[] {
  if (service.spec?.type !== "LoadBalancer") return [];
  const ingress = service.status?.loadBalancer?.ingress ?? [];
  return ingress.filter(({ ipMode = "VIP" }) => ipMode === "VIP").flatMap(({ ip = "" }) => tryParseAddress(ip) ?? []);
}

type Endpoint = NonNullable<V1EndpointSlice["endpoints"]>[number];

/** Ready, or still serving while it terminates. An endpoint that says nothing is ready. */
function canServe({ conditions }: Endpoint): boolean {
  return conditions?.ready !== false || conditions.serving === true;
}
