import type { Log } from "../core/mod.ts";
import { openRtnetlink } from "../linux/mod.ts";
import { type Family, printAddress, printMac, tryParseAddress } from "../net/mod.ts";
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
  readonly log: Log;
}

/** Keeps the tables of both families in line. A node that is no neighbour on the link gets nothing. */
export function startConnectionKeeper(options: ConnectionKeeperOptions, signal: AbortSignal): { poke(): void } {
  const wanted = () => {
    const keepers = Object.entries(options.keepers());
    const nodes = options.nodes();
    // Most of the time there is nothing to send on, and so nobody to look for.
    const neighbours = keepers.length === 0 ? [] : readNeighbours(new Set([...nodes.values()].flat()));
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
  return startNftTable({ wanted, log: options.log, event: "speaker.connections", complaint }, signal);
}

/** Those of `addresses`, canonical, that the kernel knows the hardware address of. */
function readNeighbours(addresses: ReadonlySet<string>): readonly { readonly address: string; readonly mac: string }[] {
  const rtnetlink = openRtnetlink();
  try {
    const links = rtnetlink.links().filter(({ up, loopback }) => up && !loopback);
    return links
      .flatMap(({ index }) => rtnetlink.neighbours(index))
      .flatMap(({ address, mac }) =>
        mac === undefined ? [] : [{ address: printAddress(address), mac: printMac(mac) }],
      )
      .filter(({ address }) => addresses.has(address));
  } finally {
    rtnetlink.close();
  }
}

function familyOf(address: string): Family | undefined {
  return tryParseAddress(address)?.family;
}
