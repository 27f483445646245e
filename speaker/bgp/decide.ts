import {
  ANNOTATION,
  annotationOf,
  type BgpAdvert,
  bgpAdvertisementsOf,
  type CommunityValue,
  type Config,
  matchesAny,
  poolOf,
  printCommunity,
} from "../../config/mod.ts";
import { objectKey, type V1EndpointSlice, type V1Node, type V1Service } from "../../kube/mod.ts";
import { type Address, prefixOf, printPrefix } from "../../net/mod.ts";
import { addressesOf, canServe, type NodeRefusal, type ServiceRefusal } from "../decide.ts";
import { isCordoned, isExcluded, isOutOfService, lacksNetwork } from "../node-condition.ts";
import {
  type BgpAdvertOptions,
  COMMUNITIES_ANNOTATION,
  DEFAULT_BGP_OPTIONS,
  parseCommunities,
} from "./advert-options.ts";
import type { Offer, OfferedRoute } from "./route.ts";

/** The configuration, and the options of advertisements by namespace/name. */
export interface BgpConfig extends Config {
  readonly advertOptions: ReadonlyMap<string, BgpAdvertOptions>;
}

export type BgpServiceRefusal = ServiceRefusal | NodeRefusal | "conflictingLocalPref";

/** What this node announces for a Service, or why it announces nothing. */
export type ServiceRoutes =
  | { readonly service: string; readonly addresses: readonly string[]; readonly routes: readonly OfferedRoute[] }
  | { readonly service: string; readonly refused: BgpServiceRefusal };

/** Undefined for a Service that is not of type LoadBalancer, or has no address yet, or no advertisement by BGP. */
export function serviceRoutesOf(
  service: V1Service,
  slices: readonly V1EndpointSlice[],
  config: BgpConfig,
  node: V1Node,
): ServiceRoutes | undefined {
  const addresses = addressesOf(service);
  if (addresses.length === 0) return undefined;
  const refuse = (refused: BgpServiceRefusal): ServiceRoutes => ({ service: objectKey(service), refused });

  const givenByUs = annotationOf(service, ANNOTATION.allocatedFromPool) !== undefined;
  if (service.spec?.loadBalancerClass !== undefined && !givenByUs) return refuse("otherClass");
  const pool = poolOf(config, addresses);
  if (pool === undefined) return refuse("noPool");
  const labels = service.metadata?.labels;
  const adverts = bgpAdvertisementsOf(config, pool).filter(
    ({ serviceSelectors }) => serviceSelectors.length === 0 || matchesAny(serviceSelectors, labels),
  );
  if (adverts.length === 0) return refuse("noAdvertisement");
  const standing = nodeRefusal(node);
  if (standing !== undefined) return refuse(standing);
  const selecting = adverts.filter(
    ({ nodeSelectors }) => nodeSelectors.length === 0 || matchesAny(nodeSelectors, node.metadata?.labels),
  );
  if (selecting.length === 0) return refuse("notSelected");
  if (haveConflict(selecting, addresses)) return refuse("conflictingLocalPref");
  const serving = slices.flatMap(({ endpoints }) => endpoints ?? []).filter(canServe);
  if (serving.length === 0) return refuse("noEndpoint");
  const local = service.spec?.externalTrafficPolicy === "Local";
  if (local && !serving.some(({ nodeName }) => nodeName === node.metadata?.name)) return refuse("noLocalEndpoint");
  const printed = addresses.map((address) => printPrefix(prefixOf(address, address.family === "ipv4" ? 32 : 128)));
  return {
    service: objectKey(service),
    addresses: printed.map((text) => text.slice(0, text.indexOf("/"))),
    routes: addresses.flatMap((address) =>
      mergeRoutes(selecting.map((advert) => routeOf(address, advert, service, config, node))),
    ),
  };
}

function nodeRefusal(node: V1Node): NodeRefusal | undefined {
  if (lacksNetwork(node)) return "networkUnavailable";
  if (isOutOfService(node)) return "outOfService";
  return isExcluded(node) ? "excludedByLabel" : undefined;
}

/** One route can have one preference, which the configuration sees to but where advertisements select Services. */
function haveConflict(adverts: readonly BgpAdvert[], addresses: readonly Address[]): boolean {
  const meet = (a: BgpAdvert, b: BgpAdvert) =>
    (a.peers.length === 0 || b.peers.length === 0 || a.peers.some((peer) => b.peers.includes(peer))) &&
    addresses.some(({ family }) => a.aggregationLength[family] === b.aggregationLength[family]);
  return adverts.some((a, i) => adverts.slice(i + 1).some((b) => a.localPref !== b.localPref && meet(a, b)));
}

function routeOf(
  address: Address,
  advert: BgpAdvert,
  service: V1Service,
  { advertOptions }: BgpConfig,
  node: V1Node,
): OfferedRoute {
  const options = advertOptions.get(`${advert.namespace}/${advert.name}`) ?? DEFAULT_BGP_OPTIONS;
  const prefix = prefixOf(address, advert.aggregationLength[address.family]);
  const values = [...advert.communities, ...ownCommunities(service, options)];
  const communities = values.flatMap((value) =>
    value.kind === "legacy" ? [((value.parts[0] << 16) | value.parts[1]) >>> 0] : [],
  );
  const large = new Map(
    values.flatMap((value) => (value.kind === "large" ? [[printCommunity(value), value.parts] as const] : [])),
  );
  const offer: Offer = {
    advertisement: `${advert.namespace}/${advert.name}`,
    peers: advert.peers.length === 0 ? "all" : advert.peers,
    localPref: advert.localPref,
    communities: [...new Set(communities)].sort((a, b) => a - b),
    largeCommunities: [...large.values()],
    drained: options.drainOnCordon && isCordoned(node),
    prepend: options.prepend,
    ...(options.med === undefined ? {} : { med: options.med }),
  };
  return { key: printPrefix(prefix), prefix, offers: [offer] };
}

/** What the Service asks for itself, as far as the advertisement lets it. */
function ownCommunities(service: V1Service, { serviceCommunities }: BgpAdvertOptions): readonly CommunityValue[] {
  const wanted = parseCommunities(service.metadata?.annotations?.[COMMUNITIES_ANNOTATION] ?? "").values;
  const allowed = new Set(serviceCommunities.map(printCommunity));
  return wanted.filter((value) => allowed.has(printCommunity(value)));
}

/** Routes of one prefix become one, with what all of them offer. */
export function mergeRoutes(routes: readonly OfferedRoute[]): OfferedRoute[] {
  const merged = new Map<string, OfferedRoute>();
  for (const route of routes) {
    const known = merged.get(route.key);
    const offers = new Map([...(known?.offers ?? []), ...route.offers].map((offer) => [JSON.stringify(offer), offer]));
    merged.set(route.key, { ...route, offers: [...offers.values()] });
  }
  return [...merged.values()];
}
