import type { Family } from "../net/mod.ts";
import type { Item } from "./ledger.ts";
import { endpointMap } from "./nftables-chain.ts";
import { PROTOCOLS, type Protocol } from "./service-port.ts";

/** The object that chains are items of: the key is a chain's name, the value its body. */
export const CHAINS = "chains";
/** The object that maps and sets of single Services are items of: the value is the kind, and the type in further lines. */
export const SETS = "sets";

export interface SetObject {
  readonly kind: "map" | "set";
  /** Its type as nft prints it, one statement a line. */
  readonly type: string;
}

/**
 * The maps and sets every table has, by name. A connection's way: `services` or `nodeports` give the chain, the chain
 * picks a slot at random, the map of endpoints of its kind and protocol gives the endpoint in that slot.
 */
export const NFT_OBJECTS: Readonly<Record<Family, ReadonlyMap<string, SetObject>>> = {
  ipv4: nftObjects("ip", "ipv4_addr"),
  ipv6: nftObjects("ip6", "ipv6_addr"),
};

function nftObjects(ip: string, addr: string): ReadonlyMap<string, SetObject> {
  const front = `${addr} . inet_proto . inet_service`;
  const types: Record<string, string> = {
    services: `type ${front} : verdict`,
    nodeports: "type inet_proto . inet_service : verdict",
    ...Object.assign({}, ...PROTOCOLS.map((protocol) => endpointTypes(ip, protocol))),
    "no-endpoints": `type ${front} : verdict`,
    "no-endpoint-nodeports": "type inet_proto . inet_service : verdict",
    "nodeport-addresses": `type ${addr}`,
    "guarded-addresses": `type ${addr}`,
    "service-ranges": `type ${addr}\nflags interval`,
    "cluster-sources": `type ${addr}\nflags interval`,
    hairpin: `type ${addr} . ${addr}`,
    restricted: `type ${front}`,
    "allowed-sources": `type ${front} . ${addr}\nflags interval`,
  };
  return new Map(Object.entries(types).map(([name, type]) => [name, { kind: kindOf(type), type }]));
}

/**
 * A map for each protocol, because nft 1.0.6 can't use one for all: with ports of the transport header in general
 * (`th dport`) as its values it refuses rules once the map is in the kernel.
 */
function endpointTypes(ip: string, protocol: Protocol): Record<string, string> {
  const slot = "numgen random mod 65536"; // only its type counts: a number
  const target = `${ip} daddr . ${protocol} dport`;
  return {
    [endpointMap("service", protocol)]: `typeof ${target} . ${slot} : ${target}`,
    [endpointMap("nodeport", protocol)]: `typeof ${protocol} dport . ${slot} : ${target}`,
  };
}

export function kindOf(type: string): SetObject["kind"] {
  return type.includes(" : ") ? "map" : "set";
}

/** True for a set of ranges, where elements may not overlap. */
export function hasRanges(family: Family, object: string): boolean {
  return NFT_OBJECTS[family].get(object)?.type.includes("interval") ?? false;
}

/** The value of an item of SETS. */
export function printObject({ kind, type }: SetObject): string {
  return `${kind}\n${type}`;
}

export function sole(object: string, key: string, value: string): Item {
  return { object, key, value, claim: "sole" };
}

export function shared(object: string, key: string, value: string): Item {
  return { object, key, value, claim: "shared" };
}
