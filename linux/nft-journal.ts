import type { Family } from "../net/mod.ts";
import { type BpfInstruction, encodeFilter, FILTER_ACCEPT, FILTER_CODE, FILTER_DROP, hostWord } from "./bpf.ts";
import { AF_INET, AF_INET6, attachFilter, check } from "./libc.ts";
import { decodeAttributes, NETLINK_NETFILTER, type NetlinkMessage, readText } from "./netlink-message.ts";
import { openNetlinkInbox } from "./netlink-socket.ts";
import type { Netns } from "./netns.ts";
import { decodeElements, type NftSetLayout } from "./nft-element.ts";
import { isOwnPort, knownPorts, rememberOwnPorts } from "./nft-origin.ts";
import { NFGENMSG_LENGTH, NFNLGRP_NFTABLES, NFT_MSG, NFTA_SET_ELEM_LIST } from "./nft-wire.ts";

/** One element as others left it: `value` is undefined when it is gone. */
export interface NftElementChange {
  readonly set: string;
  readonly key: string;
  readonly value: string | undefined;
}

/** What others do to the elements of one table, written down by the kernel until it is read. */
export interface NftJournal {
  /** All since the last call, in order; undefined when the kernel lost some of it. */
  read(): readonly NftElementChange[] | undefined;
  close(): void;
}

export interface NftJournalOptions {
  readonly family: Family;
  readonly table: string;
  /** How to read the elements of a map or set; undefined when it does not exist any more. */
  readonly layoutOf: (set: string) => NftSetLayout | undefined;
  readonly netns: Netns | undefined;
}

/**
 * Octets; the kernel takes up to twice as many, while nobody reads. Enough for some 130,000 elements that go at once: for all
 * but the endpoints of 30,000 Services, and where that many are gone there are few left to be read instead.
 */
const ROOM = 16 * 1024 * 1024;
/** One reading of all there can be. */
const EVERYTHING = Number.POSITIVE_INFINITY;
/** A jump in a filter is at most this long. */
const MOST_PORTS = 250;

/**
 * Drops what was done from `ports`: all of a datagram is of one transaction, and the port it was asked from is at octet 12
 * of each message.
 */
function othersOnly(ports: readonly number[]): BpfInstruction[] {
  const listed = ports.slice(-MOST_PORTS);
  return [
    { code: FILTER_CODE.LOAD_WORD, jt: 0, jf: 0, k: 12 },
    ...listed.map((port, i) => ({ code: FILTER_CODE.JUMP_EQUAL, jt: listed.length - i, jf: 0, k: hostWord(port) })),
    FILTER_ACCEPT,
    FILTER_DROP,
  ];
}

/** To be opened after the sockets that this process writes with: the kernel keeps nothing of what is written by them. */
export function openNftJournal({ family, table, layoutOf, netns }: NftJournalOptions): NftJournal {
  const keepOthersOnly = (fd: number) => {
    check(attachFilter(fd, encodeFilter(othersOnly(knownPorts()))), "filter nftables notices");
  };
  rememberOwnPorts();
  const inbox = openNetlinkInbox({
    protocol: NETLINK_NETFILTER,
    groups: [NFNLGRP_NFTABLES],
    ...(netns && { netns }),
    prepare: keepOthersOnly,
    room: ROOM,
  });
  const isAboutElements = ({ type, payload }: NetlinkMessage) =>
    (type === NFT_MSG.NEWSETELEM || type === NFT_MSG.DELSETELEM) &&
    payload[0] === (family === "ipv4" ? AF_INET : AF_INET6);

  return {
    read: () => {
      const messages = inbox.read(EVERYTHING);
      if (messages === undefined) return undefined;
      const ports = [...new Set(messages.map(({ port }) => port))]; // few, and each may cost a look at all open files
      const others = new Set(ports.filter((port) => !isOwnPort(port)));
      if (others.size < ports.length) keepOthersOnly(inbox.fd); // a port that was not known yet
      const layouts = new Map<string, NftSetLayout | undefined>();
      return messages
        .filter((message) => others.has(message.port) && isAboutElements(message))
        .flatMap(({ type, payload }) => {
          const names = decodeAttributes(payload, NFGENMSG_LENGTH);
          if (readText(names.get(NFTA_SET_ELEM_LIST.TABLE)) !== table) return [];
          const set = readText(names.get(NFTA_SET_ELEM_LIST.SET)) ?? "";
          if (!layouts.has(set)) layouts.set(set, layoutOf(set));
          const layout = layouts.get(set);
          const elements = layout === undefined ? [] : decodeElements(payload, NFGENMSG_LENGTH, layout);
          const isGone = type === NFT_MSG.DELSETELEM;
          return elements.map(([key, value]): NftElementChange => ({ set, key, value: isGone ? undefined : value }));
        });
    },
    close: () => inbox.close(),
  };
}
