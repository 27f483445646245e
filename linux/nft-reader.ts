import { setImmediate as nextTurn } from "node:timers/promises";
import { IronbridgeError } from "../core/mod.ts";
import type { Family } from "../net/mod.ts";
import { AF_INET, AF_INET6, hasErrno } from "./libc.ts";
import {
  type Attribute,
  type Attributes,
  decodeAttributes,
  encodePayload,
  NETLINK_NETFILTER,
  type NetlinkRequest,
  readText,
} from "./netlink-message.ts";
import { type NetlinkSocket, openNetlinkSocket } from "./netlink-socket.ts";
import type { Netns } from "./netns.ts";
import { decodeElements, layoutOf, type NftElement, type NftSetLayout } from "./nft-element.ts";
import { type NftJournal, openNftJournal } from "./nft-journal.ts";
import { NFGENMSG_LENGTH, NFT_MSG, NFTA_SET_ELEM_LIST } from "./nft-wire.ts";

/** What one table is made of, without the elements of its maps and sets. */
export interface NftTable {
  /** By name; for each rule, in order, its comment, "" where it has none. */
  readonly chains: ReadonlyMap<string, readonly string[]>;
  /** By name; the comment is "" where there is none. */
  readonly sets: ReadonlyMap<string, { readonly kind: "map" | "set"; readonly comment: string }>;
  /** Nothing keeps its chains from taking effect, and every packet that no rule drops passes. */
  readonly active: boolean;
}

/** Reads tables without libnftables, which reads every element of a table before it shows a single rule. */
export interface NftReader {
  /** Undefined when there is none. @throws {IronbridgeError} IB_KERNEL_REFUSED */
  table(family: Family, name: string): NftTable | undefined;
  /**
   * The elements of a map or set without ranges, as the kernel hands them out; none when it does not exist. Elements that
   * come and go meanwhile may be missed or come twice: a journal tells of them.
   * @throws {IronbridgeError} IB_KERNEL_REFUSED
   */
  elements(family: Family, table: string, set: string): AsyncIterable<readonly NftElement[]>;
  /**
   * From now on all that others do to the elements of a table. To be opened when what this process writes with has run a
   * command: before that its port is not known, and the journal would fill with what it writes first.
   */
  journal(family: Family, table: string): NftJournal;
}

/** linux/netfilter/nf_tables.h. */
const NFTA_TABLE = { NAME: 1, FLAGS: 2 } as const;
const NFTA_CHAIN = { TABLE: 1, NAME: 3, POLICY: 5 } as const;
const NFTA_RULE = { TABLE: 1, CHAIN: 2, USERDATA: 7 } as const;
const NFTA_SET = { TABLE: 1, NAME: 2, FLAGS: 3, KEY_TYPE: 4, DATA_TYPE: 6, USERDATA: 13 } as const;
const NFT_TABLE_F_DORMANT = 1;
const NFT_SET_MAP = 8;
const NF_ACCEPT = 1;
/** libnftnl's udata.h: where comments are. */
const UDATA_RULE_COMMENT = 0;
const UDATA_SET_COMMENT = 7;

/** Reads nftables of `netns`, or of the namespace of this process. */
export function openNftReader(netns?: Netns): NftReader {
  const withSocket = <T>(work: (socket: NetlinkSocket) => T): T => {
    const socket = openNetlinkSocket(NETLINK_NETFILTER, netns);
    try {
      return work(socket);
    } finally {
      socket.close();
    }
  };
  return {
    table: (family, name) => withSocket((socket) => readTable(socket, family, name)),
    elements: async function* (family, table, set) {
      const socket = openNetlinkSocket(NETLINK_NETFILTER, netns);
      try {
        const layout = readLayout(socket, family, table, set);
        if (layout === undefined) return;
        const names: Attribute[] = [
          [NFTA_SET_ELEM_LIST.TABLE, table],
          [NFTA_SET_ELEM_LIST.SET, set],
        ];
        for (const messages of socket.dumpParts(requestOf(family, NFT_MSG.GETSETELEM, names))) {
          yield messages.flatMap(({ payload }) => decodeElements(payload, NFGENMSG_LENGTH, layout));
          await nextTurn(); // the kernel takes milliseconds for each part of a large map
        }
      } finally {
        socket.close();
      }
    },
    journal: (family, table) => {
      const layoutOf = (set: string) => withSocket((socket) => readLayout(socket, family, table, set));
      return openNftJournal({ family, table, layoutOf, netns });
    },
  };
}

/** How to read the elements of a map or set; undefined when it does not exist. */
function readLayout(socket: NetlinkSocket, family: Family, table: string, set: string): NftSetLayout | undefined {
  const request = requestOf(family, NFT_MSG.GETSET, [
    [NFTA_SET.TABLE, table],
    [NFTA_SET.NAME, set],
  ]);
  const [message] = ifThere(() => socket.request(request)) ?? [];
  if (message === undefined) return undefined;
  const attributes = decodeAttributes(message.payload, NFGENMSG_LENGTH);
  return layoutOf(numberIn(attributes.get(NFTA_SET.KEY_TYPE)) ?? 0, numberIn(attributes.get(NFTA_SET.DATA_TYPE)));
}

function readTable(socket: NetlinkSocket, family: Family, name: string): NftTable | undefined {
  const [table] = ifThere(() => socket.request(requestOf(family, NFT_MSG.GETTABLE, [[NFTA_TABLE.NAME, name]]))) ?? [];
  if (table === undefined) return undefined;
  const list = (type: number, tableAttribute: number): Attributes[] =>
    socket
      .dump(requestOf(family, type, [[tableAttribute, name]]))
      .map(({ payload }) => decodeAttributes(payload, NFGENMSG_LENGTH))
      .filter((attributes) => readText(attributes.get(tableAttribute)) === name);
  const chains = list(NFT_MSG.GETCHAIN, NFTA_CHAIN.TABLE);
  const rules = Map.groupBy(list(NFT_MSG.GETRULE, NFTA_RULE.TABLE), (rule) => nameIn(rule, NFTA_RULE.CHAIN));
  const commentsOf = (chain: string) =>
    (rules.get(chain) ?? []).map((rule) => readComment(rule.get(NFTA_RULE.USERDATA), UDATA_RULE_COMMENT));
  const flags = numberIn(decodeAttributes(table.payload, NFGENMSG_LENGTH).get(NFTA_TABLE.FLAGS)) ?? 0;
  return {
    chains: new Map(
      chains.map((chain) => nameIn(chain, NFTA_CHAIN.NAME)).map((chain) => [chain, commentsOf(chain)] as const),
    ),
    sets: new Map(list(NFT_MSG.GETSET, NFTA_SET.TABLE).map((set) => [nameIn(set, NFTA_SET.NAME), describeSet(set)])),
    active:
      (flags & NFT_TABLE_F_DORMANT) === 0 &&
      chains.every((chain) => (numberIn(chain.get(NFTA_CHAIN.POLICY)) ?? NF_ACCEPT) === NF_ACCEPT),
  };
}

function describeSet(set: Attributes): { readonly kind: "map" | "set"; readonly comment: string } {
  const isMap = ((numberIn(set.get(NFTA_SET.FLAGS)) ?? 0) & NFT_SET_MAP) !== 0;
  return { kind: isMap ? "map" : "set", comment: readComment(set.get(NFTA_SET.USERDATA), UDATA_SET_COMMENT) };
}

function nameIn(attributes: Attributes, type: number): string {
  return readText(attributes.get(type)) ?? "";
}

function ifThere<T>(ask: () => T): T | undefined {
  try {
    return ask();
  } catch (error) {
    if (hasErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}

function requestOf(family: Family, type: number, attributes: readonly Attribute[]): NetlinkRequest {
  const header = Uint8Array.of(family === "ipv4" ? AF_INET : AF_INET6, 0, 0, 0);
  return { what: "read nftables", type, payload: encodePayload(header, attributes) };
}

/** Userdata is a row of entries: type, length, value. */
function readComment(userdata: Uint8Array | undefined, type: number): string {
  for (let at = 0; userdata !== undefined && at + 2 <= userdata.length; at += 2 + userdata[at + 1]!) {
    if (userdata[at] === type) return readText(userdata.subarray(at + 2, at + 2 + userdata[at + 1]!)) ?? "";
  }
  return "";
}

/** nftables' numbers are in network order. */
function numberIn(bytes: Uint8Array | undefined): number | undefined {
  if (bytes === undefined) return undefined;
  if (bytes.length < 4)
    throw new IronbridgeError("IB_WIRE_TRUNCATED", `a number of nftables has ${bytes.length} octets`);
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
}
