import type { Clock, Log } from "../core/mod.ts";
import { type LinkAddress, type Neighbour, openRtnetlink } from "../linux/mod.ts";
import {
  type Address,
  type Family,
  prefixContains,
  prefixOf,
  printAddress,
  printMac,
  tryParseAddress,
} from "../net/mod.ts";
import { printCollection, printTable, startNftTable } from "./nft-table.ts";

/** Names of the tables, by family: `dup` is a statement of tables of one family. */
const TABLE = { ipv4: "ip ironbridge-flows", ipv6: "ip6 ironbridge-flows" } as const;
/** Between connection tracking at -200 and destination NAT at -100. */
const PRIORITY = -150;

/**
 * Sends on to its keeper what belongs to a connection that this node's kernel knows nothing of. An address moves at once for
 * all packets of a client, also for those of connections that are open; the node that had it has their state. What comes from
 * another node is never sent on, so that nothing goes round in circles.
 * @param keepers Announced address and address of its keeper, of one family.
 * @param members Hardware addresses of the other nodes.
 */
export function printKeeperTable(
  family: Family,
  keepers: readonly (readonly [string, string])[],
  members: readonly string[],
): string {
  if (keepers.length === 0) return printTable(TABLE[family], []);
  const [ip, type] = family === "ipv4" ? ["ip", "ipv4_addr"] : ["ip6", "ipv6_addr"];
  const elements = keepers.map(([address, keeper]) => `${address} : ${keeper}`);
  const unknown = "tcp flags & (fin | syn | rst | ack) != syn ct state new";
  return printTable(TABLE[family], [
    ...printCollection("map keepers", `${type} : ${type}`, elements),
    ...printCollection("set members", "ether_addr", members),
    "chain prerouting {",
    `  type filter hook prerouting priority ${PRIORITY}`,
    `  ${ip} daddr @keepers ${unknown} ether saddr != @members dup to ${ip} daddr map @keepers drop`,
    "}",
  ]);
}

export interface ConnectionKeeperOptions {
  /** By announced address, the name of the node that keeps its connections. */
  readonly keepers: () => Readonly<Record<string, string>>;
  /** Every other node, and all its addresses. */
  readonly nodes: () => ReadonlyMap<string, readonly string[]>;
  readonly clock: Clock;
  readonly log: Log;
}

/** Milliseconds in which a neighbour has told its hardware address. */
const ASKING = 500;

/** Keeps the tables of both families in line. A node that is no neighbour on the link gets nothing. */
export function startConnectionKeeper(options: ConnectionKeeperOptions, signal: AbortSignal): { poke(): void } {
  /** What the kernel was asked for and has not told yet. */
  let asked: ReadonlySet<string> = new Set();
  let cancelLook = () => {};
  signal.addEventListener("abort", () => cancelLook(), { once: true });
  const lookAgain = (strange: readonly string[]) => {
    const isNew = strange.some((address) => !asked.has(address));
    asked = new Set(strange);
    cancelLook();
    if (isNew) cancelLook = options.clock.after(ASKING, () => table.poke());
  };

  const wanted = () => {
    const keepers = Object.entries(options.keepers());
    const nodes = options.nodes();
    // Most of the time there is nothing to send on, and so nobody to look for.
    const { neighbours, strange } = keepers.length === 0 ? NOBODY : lookAround([...nodes.values()].flat());
    lookAgain(strange);
    const members = [...new Set(neighbours.map(({ mac }) => mac))].sort();
    const near = new Set(neighbours.map(({ address }) => address));
    const pairs = keepers.flatMap(([address, keeper]) => {
      const family = familyOf(address);
      const way = nodes.get(keeper)?.find((each) => familyOf(each) === family && near.has(each));
      return way === undefined ? [] : [[address, way] as const];
    });
    const of = (family: Family) => pairs.filter(([address]) => familyOf(address) === family).sort();
    const text = (["ipv4", "ipv6"] as const).map((each) => printKeeperTable(each, of(each), members)).join("");
    return { text, empty: pairs.length === 0 };
  };
  const complaint = "could not send the packets of open connections to the node that knows them";
  const table = startNftTable({ wanted, log: options.log, event: "speaker.connections", complaint }, signal);
  return table;
}

interface Surroundings {
  readonly neighbours: readonly { readonly address: string; readonly mac: string }[];
  /** Addresses on our links whose hardware address is not known. */
  readonly strange: readonly string[];
}

const NOBODY: Surroundings = { neighbours: [], strange: [] };

/**
 * Which of `addresses`, canonical, are on our links. The kernel is asked for the hardware addresses that it does not know:
 * heartbeats go over one family, so that of the other it may never have needed one.
 */
function lookAround(addresses: readonly string[]): Surroundings {
  const rtnetlink = openRtnetlink();
  try {
    const links = rtnetlink.links().filter(({ up, loopback }) => up && !loopback);
    const indexes = new Set(links.map(({ index }) => index));
    const own = rtnetlink.addresses().filter(({ ifindex }) => indexes.has(ifindex));
    const neighbours = links.flatMap(({ index }) => rtnetlink.neighbours(index));
    const strange = strangersOf(addresses, neighbours, own);
    for (const stranger of strange) rtnetlink.askForNeighbour(stranger);
    const wanted = new Set(addresses);
    return {
      neighbours: neighbours
        .map(({ address, mac }) => ({ address: printAddress(address), mac: printMac(mac) }))
        .filter(({ address }) => wanted.has(address)),
      strange: strange.map(({ address }) => printAddress(address)),
    };
  } finally {
    rtnetlink.close();
  }
}

/** Those of `addresses` that are in the subnet of one of our `own`, but are no known neighbours; and on which link. Pure. */
export function strangersOf(
  addresses: readonly string[],
  neighbours: readonly Neighbour[],
  own: readonly LinkAddress[],
): readonly { readonly ifindex: number; readonly address: Address }[] {
  const known = new Set(neighbours.map(({ address }) => printAddress(address)));
  return addresses.flatMap((text) => {
    const address = tryParseAddress(text);
    if (address === undefined || known.has(text)) return [];
    const link = own.find((each) => prefixContains(prefixOf(each.address, each.length), address));
    return link === undefined ? [] : [{ ifindex: link.ifindex, address }];
  });
}

function familyOf(address: string): Family | undefined {
  return tryParseAddress(address)?.family;
}
