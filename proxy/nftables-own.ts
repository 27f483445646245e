import type { Item } from "./ledger.ts";
import { type Candidate, maglevTable, TABLE_SIZE } from "./maglev.ts";
import { type Chain, dnatTo, entryRules, ipOf, type Kind } from "./nftables-chain.ts";
import { CHAINS, printObject, SETS, sole } from "./nftables-object.ts";
import type { ServicePort, Target } from "./service-port.ts";
import type { FamilySettings } from "./settings.ts";
import { shortHash } from "./short-hash.ts";

/** Set of the clients that one endpoint has seen of late. Its elements are the kernel's own. */
const AFFINITY = "affinity-";
/** Map from a place of a Maglev table to an endpoint. */
const HASHED = "hashed-";
/** The size nft gives a set that grows by itself; a client that finds no room is served all the same. */
const AFFINITY_SIZE = 65_535;
/** Any number: every node must use the same. */
const SEED = "0x49726f6e";

/** True for a Service port that spreads connections in a way of its own and can't share the chain of a shape. */
export function isOwnWay({ affinitySeconds, balancing }: ServicePort): boolean {
  return affinitySeconds > 0 || balancing !== "random";
}

/** True for the name of a map whose elements are items of the ledger though there is one for each Service that asks. */
export function isHashedMap(name: string): boolean {
  return name.startsWith(HASHED);
}

/** What a frontend of this kind leads to. */
export function ownChain(kind: Kind, port: ServicePort, settings: FamilySettings): Chain {
  const { internalPolicy, local } = port;
  const [toAny, toLocal] = [`goto ${pickName(port, "any")}`, `goto ${pickName(port, "near")}`];
  const ways =
    kind === "cluster"
      ? { toAny: internalPolicy === "local" ? toLocal : toAny }
      : { toAny, ...(kind === "local" && local.length > 0 ? { toLocal } : {}) };
  return { name: `own-${hashOf(port)}-${kind}`, body: entryRules(kind, ways, settings).join("\n") };
}

/** What ownChain() leads to: who answers, of all endpoints and of those on this node. */
export function pickItems(port: ServicePort, settings: FamilySettings): Item[] {
  const usesLocal = port.internalPolicy === "local" || port.externalPolicy === "local";
  return [
    ...pickOf(port, "any", port.cluster, settings),
    ...(usesLocal ? pickOf(port, "near", port.local, settings) : []),
  ];
}

type Pick = "any" | "near";

function pickOf(port: ServicePort, pick: Pick, targets: readonly Target[], settings: FamilySettings): Item[] {
  if (targets.length === 0) return [];
  if (port.balancing === "random") return stickyItems(port, pick, targets, settings);
  return hashedItems(port, pick, targets, settings);
}

/** A client known to an endpoint goes there, any other is spread; the endpoint's chain takes note of it. */
function stickyItems(port: ServicePort, pick: Pick, targets: readonly Target[], settings: FamilySettings): Item[] {
  const ip = ipOf(settings);
  const type = `type ${settings.family}_addr\nsize ${AFFINITY_SIZE}\nflags dynamic,timeout`;
  const ends = targets.map((target) => {
    const { address, port: number } = target;
    const id = shortHash(`${port.name}/${port.protocol} ${address} ${number}`);
    const to = settings.family === "ipv4" ? `${address}:${number}` : `[${address}]:${number}`;
    const update = `update @${AFFINITY}${id} { ${ip} saddr timeout ${printSeconds(port.affinitySeconds)} }`;
    return { target, id, rules: [update, `meta l4proto ${port.protocol} dnat to ${to}`] };
  });
  let left = targets.reduce((sum, { weight = 1 }) => sum + weight, 0);
  const spread = ends.map(({ target: { weight = 1 }, id }) => {
    const end = `goto endpoint-${id}`;
    const line = weight >= left ? end : `numgen random mod ${left} ${weight === 1 ? "0" : `< ${weight}`} ${end}`;
    left -= weight;
    return line;
  });
  const known = ends.map(({ id }) => `${ip} saddr @${AFFINITY}${id} goto endpoint-${id}`);
  return [
    ...ends.map(({ id }) => sole(SETS, `${AFFINITY}${id}`, printObject({ kind: "set", type }))),
    ...ends.map(({ id, rules }) => sole(CHAINS, `endpoint-${id}`, rules.join("\n"))),
    sole(CHAINS, pickName(port, pick), [...known, ...spread].join("\n")),
  ];
}

/** Clients choose by a hash; a Maglev table keeps most of them where they are when endpoints come and go. */
function hashedItems(port: ServicePort, pick: Pick, targets: readonly Target[], settings: FamilySettings): Item[] {
  const ip = ipOf(settings);
  const candidates = targets.map(
    ({ address, port: number, weight = 1 }): Candidate => ({ name: `${address} . ${number}`, weight }),
  );
  const map = `${HASHED}${hashOf(port)}-${pick}`;
  // Who wants to meet the same endpoint again must not be told apart by source ports.
  const bySource = port.balancing === "source-hash" || port.affinitySeconds > 0;
  const hash = `jhash ${bySource ? `${ip} saddr` : `${ip} saddr . ${port.protocol} sport`} mod ${TABLE_SIZE} seed ${SEED} map @${map}`;
  const rule = `${bySource ? `meta l4proto ${port.protocol} ` : ""}${dnatTo(settings)} ${hash}`;
  const type = `typeof numgen random mod 65536 : ${ip} daddr . ${port.protocol} dport`;
  return [
    sole(SETS, map, printObject({ kind: "map", type })),
    ...maglevTable(candidates).map((winner, place) => sole(map, `${place}`, candidates[winner]!.name)),
    sole(CHAINS, pickName(port, pick), rule),
  ];
}

function pickName(port: ServicePort, pick: Pick): string {
  return `pick-${hashOf(port)}-${pick}`;
}

function hashOf({ name, protocol }: ServicePort): string {
  return shortHash(`${name}/${protocol}`);
}

/** As nft prints times: "1d2h3m4s", without what is zero. */
function printSeconds(seconds: number): string {
  const parts = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "m"],
    [seconds % 60, "s"],
  ] as const;
  return parts
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count}${unit}`)
    .join("");
}
