import { addressFromBytes, printAddress } from "../net/mod.ts";
import { decodeAttributes, readText } from "./netlink-message.ts";

/** An element as nft prints it, "10.96.0.1 . tcp . 80" and "goto chain"; the value of a set's element is "". */
export type NftElement = readonly [key: string, value: string];

/** What it takes to read the elements of one set or map. */
export interface NftSetLayout {
  /** Types of the parts of a key, and of a value; numbers of libnftables' enum datatypes. */
  readonly key: readonly number[];
  /** Empty of a set, "verdict" of a map to verdicts. */
  readonly value: readonly number[] | "verdict";
}

/** libnftables' enum datatypes, as far as they are understood here: those that take 4 octets, or 16. */
const DATATYPE = { INTEGER: 4, IPV4_ADDR: 7, IPV6_ADDR: 8, INET_PROTO: 12, INET_SERVICE: 13 } as const;
/** A concatenation is told by the types of its parts, 6 bits each, the last one lowest. */
const TYPE_BITS = 6;
/** linux/netfilter/nf_tables.h NFT_DATA_VERDICT. */
const NFT_DATA_VERDICT = 0xffff_ff00;

/** linux/netfilter/nf_tables.h: attributes of lists of elements, of elements, of data and of verdicts. */
const NFTA_SET_ELEM_LIST_ELEMENTS = 3;
const NFTA_SET_ELEM = { KEY: 1, DATA: 2 } as const;
const NFTA_DATA = { VALUE: 1, VERDICT: 2 } as const;
const NFTA_VERDICT = { CODE: 1, CHAIN: 2 } as const;
/** By NFTA_VERDICT_CODE. */
const VERDICTS: ReadonlyMap<number, string> = new Map([
  [0, "drop"],
  [1, "accept"],
  [-1, "continue"],
  [-3, "jump"],
  [-4, "goto"],
  [-5, "return"],
]);

const PROTOCOLS: ReadonlyMap<number, string> = new Map([
  [6, "tcp"],
  [17, "udp"],
  [132, "sctp"],
]);

/** @param keyType NFTA_SET_KEY_TYPE. @param valueType NFTA_SET_DATA_TYPE; absent of a set. */
export function layoutOf(keyType: number, valueType: number | undefined): NftSetLayout {
  const value = valueType === undefined ? [] : valueType === NFT_DATA_VERDICT ? "verdict" : partsOf(valueType);
  return { key: partsOf(keyType), value };
}

function partsOf(type: number): number[] {
  const parts: number[] = [];
  for (let left = type; left !== 0; left >>>= TYPE_BITS) parts.unshift(left & ((1 << TYPE_BITS) - 1));
  return parts;
}

/**
 * The elements of one message about a set: NFT_MSG_NEWSETELEM or NFT_MSG_DELSETELEM.
 * Its lists are walked by hand: a start with 30,000 Services reads 200,000 elements.
 * @param start Where the attributes begin.
 * @throws {IronbridgeError} IB_WIRE_TRUNCATED
 */
export function decodeElements(payload: Uint8Array, start: number, layout: NftSetLayout): NftElement[] {
  const list = decodeAttributes(payload, start).get(NFTA_SET_ELEM_LIST_ELEMENTS);
  if (list === undefined) return [];
  const elements: NftElement[] = [];
  for (let at = 0; at + 4 <= list.length; ) {
    const length = list[at]! | (list[at + 1]! << 8);
    elements.push(decodeElement(list, at + 4, Math.min(at + length, list.length), layout));
    at += Math.max(4, (length + 3) & ~3);
  }
  return elements;
}

/** NFTA_SET_ELEM_KEY and NFTA_SET_ELEM_DATA hold data; NFTA_DATA_VALUE is the only attribute of it, or a verdict is. */
function decodeElement(bytes: Uint8Array, start: number, end: number, { key, value }: NftSetLayout): NftElement {
  let [keyText, valueText] = ["", ""];
  for (let at = start; at + 8 <= end; ) {
    const length = bytes[at]! | (bytes[at + 1]! << 8);
    const type = bytes[at + 2]!;
    if (type === NFTA_SET_ELEM.KEY) keyText = printParts(bytes, at + 8, key);
    else if (type === NFTA_SET_ELEM.DATA) {
      valueText =
        value === "verdict" ? printVerdict(bytes.subarray(at + 4, at + length)) : printParts(bytes, at + 8, value);
    }
    at += Math.max(4, (length + 3) & ~3);
  }
  return [keyText, valueText];
}

function printVerdict(data: Uint8Array): string {
  const verdict = decodeAttributes(decodeAttributes(data).get(NFTA_DATA.VERDICT) ?? new Uint8Array());
  const code = verdict.get(NFTA_VERDICT.CODE) ?? new Uint8Array(4);
  const word = VERDICTS.get(new DataView(code.buffer, code.byteOffset).getInt32(0)) ?? "verdict";
  const chain = readText(verdict.get(NFTA_VERDICT.CHAIN));
  return chain === undefined ? word : `${word} ${chain}`;
}

/** Each part of a concatenation begins at a multiple of 4 octets. */
function printParts(bytes: Uint8Array, start: number, types: readonly number[]): string {
  let at = start;
  let text = "";
  for (const type of types) {
    if (at > start) text += " . ";
    text += printPart(bytes, at, type);
    at += type === DATATYPE.IPV6_ADDR ? 16 : 4;
  }
  return text;
}

function printPart(b: Uint8Array, at: number, type: number): string | number {
  switch (type) {
    case DATATYPE.IPV4_ADDR:
      return `${b[at]}.${b[at + 1]}.${b[at + 2]}.${b[at + 3]}`;
    case DATATYPE.IPV6_ADDR:
      return printAddress(addressFromBytes(b.subarray(at, at + 16)));
    case DATATYPE.INET_SERVICE:
      return (b[at]! << 8) | b[at + 1]!;
    case DATATYPE.INET_PROTO:
      return PROTOCOLS.get(b[at]!) ?? b[at]!;
    default: // DATATYPE.INTEGER, in the order of the host where a number is made in the kernel
      return b[at]! | (b[at + 1]! << 8) | (b[at + 2]! << 16) | (b[at + 3]! << 24);
  }
}
