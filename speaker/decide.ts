import {
  ANNOTATION,
  advertisementsOf,
  annotationOf,
  type Config,
  type L2Advert,
  type Labels,
  matchesAny,
  matchesSelector,
  poolOf,
} from "../config/mod.ts";
import { objectKey, type V1EndpointSlice, type V1Node, type V1Service } from "../kube/mod.ts";
import { type Address, printAddress, tryParseAddress } from "../net/mod.ts";
import { type AdvertOptions, DEFAULT_OPTIONS } from "./advert-options.ts";
import { type ElectionRule, FITNESS, MAX_PREFERENCE } from "./claim.ts";
import { isCordoned, isExcluded, isOutOfService, isReady, lacksNetwork } from "./node-condition.ts";

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
export type NodeRefusal =
  | "networkUnavailable"
  | "outOfService"
  | "excludedByLabel"
  | "cordoned"
  | "notSelected"
  | "noLocalEndpoint";

/** An advertisement with its options. */
export type Advert = L2Advert & AdvertOptions;

/** The configuration, and the options of advertisements by namespace/name. */
export interface SpeakerConfig extends Config {
  readonly advertOptions?: ReadonlyMap<string, AdvertOptions>;
  /** Names of the pools whose addresses answer ICMP echo requests. */
  readonly echoPools?: ReadonlySet<string>;
}

/** What follows from a Service, its endpoints and the configuration, whatever the node. */
export interface ServiceFacts {
  /** namespace/name */
  readonly service: string;
  /** Canonical, in the order of the status; the first decides the rank of all. */
  readonly addresses: readonly string[];
  readonly adverts: readonly Advert[];
  /** Nodes with an endpoint; undefined when any node may forward to any endpoint. */
  readonly localNodes?: ReadonlySet<string>;
  readonly refused?: ServiceRefusal;
  /** Its addresses answer ICMP echo requests. */
  readonly answersEcho?: true;
}

/** How one node stands to a Service. */
export type NodeStanding =
  | {
      /** Preference, and FITNESS as far as the cluster knows it. */
      readonly score: number;
      /** Names and /patterns/; "all" when no advertisement limits them. */
      readonly interfaces: "all" | readonly string[];
      readonly rule: ElectionRule;
    }
  | { readonly refused: NodeRefusal };

/** Undefined for a Service that is not of type LoadBalancer or has no address yet. */
export function factsOf(
  service: V1Service,
  slices: readonly V1EndpointSlice[],
  config: SpeakerConfig,
): ServiceFacts | undefined {
  const addresses = addressesOf(service);
  if (addresses.length === 0) return undefined;
  const facts = { service: objectKey(service), addresses: addresses.map(printAddress) };
  const refuse = (refused: ServiceRefusal): ServiceFacts => ({ ...facts, adverts: [], refused });

  const givenByUs = annotationOf(service, ANNOTATION.allocatedFromPool) !== undefined;
  if (service.spec?.loadBalancerClass !== undefined && !givenByUs) return refuse("otherClass");
  const pool = poolOf(config, addresses);
  if (pool === undefined) return refuse("noPool");
  const adverts = advertisementsOf(config, pool)
    .filter(
      ({ serviceSelectors }) => serviceSelectors.length === 0 || matchesAny(serviceSelectors, service.metadata?.labels),
    )
    .map((advert) => ({ ...advert, ...optionsOf(config, advert) }));
  if (adverts.length === 0) return refuse("noAdvertisement");
  const selective = adverts.some(({ serviceSelectors }) => serviceSelectors.length > 0);
  if (selective && annotationOf(service, ANNOTATION.allowSharedIp) !== undefined) {
    return refuse("sharedIPWithServiceSelector");
  }
  const serving = slices.flatMap(({ endpoints }) => endpoints ?? []).filter(canServe);
  if (serving.length === 0) return refuse("noEndpoint");
  const echo = config.echoPools?.has(pool.name) ? { answersEcho: true as const } : {};
  if (service.spec?.externalTrafficPolicy !== "Local") return { ...facts, ...echo, adverts };
  return { ...facts, ...echo, adverts, localNodes: new Set(serving.flatMap(({ nodeName }) => nodeName ?? [])) };
}

/** Whether `node` may announce the Service, and how well it is liked. */
export function standingOf(facts: ServiceFacts, node: V1Node): NodeStanding {
  const { name = "", labels = {} } = node.metadata ?? {};
  if (lacksNetwork(node)) return { refused: "networkUnavailable" };
  if (isOutOfService(node)) return { refused: "outOfService" };
  if (isExcluded(node)) return { refused: "excludedByLabel" };
  const selecting = facts.adverts.filter(
    ({ nodeSelectors }) => nodeSelectors.length === 0 || matchesAny(nodeSelectors, labels),
  );
  if (selecting.length === 0) return { refused: "notSelected" };
  const adverts = selecting.filter(({ drainOnCordon }) => !(drainOnCordon && isCordoned(node)));
  if (adverts.length === 0) return { refused: "cordoned" };
  if (facts.localNodes?.has(name) === false) return { refused: "noLocalEndpoint" };
  const everywhere = adverts.some(({ interfaces }) => interfaces.length === 0);
  const interfaces = everywhere ? "all" : [...new Set(adverts.flatMap((advert) => advert.interfaces))].sort();
  const score = preferenceOf(adverts, labels) + (isReady(node) ? FITNESS.nodeReady : 0);
  return { score, interfaces, rule: ruleOf(facts.adverts) };
}

function optionsOf({ advertOptions }: SpeakerConfig, { namespace, name }: L2Advert): AdvertOptions {
  return advertOptions?.get(objectKey({ metadata: { namespace, name } })) ?? DEFAULT_OPTIONS;
}

/** The weights of all matching preferences of all advertisements, added up. */
function preferenceOf(adverts: readonly Advert[], labels: Labels): number {
  const weights = adverts
    .flatMap(({ preferredNodeSelectors }) => preferredNodeSelectors)
    .filter(({ preference }) => matchesSelector(preference, labels))
    .map(({ weight }) => weight);
  return Math.min(
    MAX_PREFERENCE,
    weights.reduce((sum, weight) => sum + weight, 0),
  );
}

/** One rule for a Service on all nodes, so all its advertisements count: the first that is not the default. */
function ruleOf(adverts: readonly Advert[]): ElectionRule {
  return adverts.find(({ election }) => election !== "sticky")?.election ?? "sticky";
}

/** Addresses of the status that nodes are to answer for: not host names, not ipMode Proxy (KEP-1860). */
export function addressesOf(service: V1Service): Address[] {
  if (service.spec?.type !== "LoadBalancer") return [];
  const ingress = service.status?.loadBalancer?.ingress ?? [];
  return ingress.filter(({ ipMode = "VIP" }) => ipMode === "VIP").flatMap(({ ip = "" }) => tryParseAddress(ip) ?? []);
}

type Endpoint = NonNullable<V1EndpointSlice["endpoints"]>[number];

/** Ready, or still serving while it terminates. An endpoint that says nothing is ready. */
export function canServe({ conditions }: Endpoint): boolean {
  return conditions?.ready !== false || conditions.serving === true;
}
