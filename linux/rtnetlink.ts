import type { KernelObject } from "./ebpf.ts";
import { hasErrno } from "./libc.ts";
import { NETLINK_ROUTE, type NetlinkMessage, type NetlinkRequest } from "./netlink-message.ts";
import { type NetlinkSocket, openNetlinkSocket } from "./netlink-socket.ts";
import type { Netns } from "./netns.ts";
import { addAddress, decodeLinkAddress, type LinkAddress, listAddresses, removeAddress } from "./rtnetlink-address.ts";
import {
  addClsact,
  addIngressFilter,
  isOwnFilter,
  listIngressFilters,
  removeIngressFilter,
} from "./rtnetlink-filter.ts";
import {
  changeLink,
  decodeLink,
  decodeNetnsId,
  getLink,
  getNetnsId,
  type Link,
  type LinkChange,
  listLinks,
  removeLink,
  removeLinks,
  withoutLinkLocal,
} from "./rtnetlink-link.ts";
import {
  addBridge,
  addIfb,
  addVeth,
  addVxlan,
  type BridgeOptions,
  type IfbOptions,
  type VethOptions,
  type VxlanOptions,
} from "./rtnetlink-link-creation.ts";
import {
  askForNeighbour,
  decodeNeighbour,
  decodeTunnelPeer,
  listNeighbours,
  listTunnelPeers,
  type Neighbour,
  removeNeighbour,
  removeTunnelPeer,
  replaceNeighbour,
  replaceTunnelPeer,
  type TunnelPeer,
} from "./rtnetlink-neighbour.ts";
import { decodeQdisc, listQdiscs, type Qdisc, redirectIngress, shape, type TokenBucket } from "./rtnetlink-qdisc.ts";
import { decodeRoute, listRoutes, type Route, removeRoute, replaceRoute } from "./rtnetlink-route.ts";

/**
 * Links, addresses, routes and neighbours of one network namespace. Every call is synchronous and some microseconds,
 * and throws IB_KERNEL_REFUSED with what was asked and the kernel's reason; hasErrno() tells the reasons apart.
 */
export interface Rtnetlink {
  links(): Link[];
  link(name: string): Link | undefined;
  /** What Link.peerNetns calls `netns`; undefined when no link here leads to it. */
  netnsId(netns: Netns): number | undefined;
  addresses(): LinkAddress[];
  /** Routes of the main table, both families. */
  routes(): Route[];
  neighbours(ifindex: number): Neighbour[];
  tunnelPeers(ifindex: number): TunnelPeer[];
  qdiscs(ifindex: number): Qdisc[];
  /** Returns the index. */
  createBridge(options: BridgeOptions): number;
  /** Both ends in one request, the peer born in its namespace. Both are down. Returns the host end. */
  createVeth(options: VethOptions): Link;
  /** It is down. */
  createIfb(options: IfbOptions): Link;
  /** Returns the index. It is down. */
  createVxlan(options: VxlanOptions): number;
  setLink(index: number, change: LinkChange): void;
  /**
   * Adds addresses and sets links up, in this order, with one call of the kernel. A link with no IPv6 address among them
   * makes none for itself (fe80::), and so asks for no router and joins no group.
   */
  bringUp(links: readonly number[], addresses: readonly LinkAddress[]): void;
  deleteLink(index: number): void;
  /**
   * Removes links by name, without keeping this thread waiting and all with one wait of the kernel. Links that are gone
   * are no error. One call at a time; the namespace this was opened with must be open still.
   */
  deleteLinks(names: readonly string[]): Promise<void>;
  /** IPv6 addresses are added without duplicate address detection. No error when it is there already. */
  addAddress(address: LinkAddress): void;
  deleteAddress(address: LinkAddress): void;
  replaceRoute(route: Route): void;
  deleteRoute(route: Route): void;
  replaceNeighbour(neighbour: Neighbour): void;
  deleteNeighbour(neighbour: Neighbour): void;
  /** Has the kernel find out a neighbour's MAC address; neighbours() has it soon, if there is such a neighbour. */
  askForNeighbour(neighbour: Omit<Neighbour, "mac">): void;
  replaceTunnelPeer(peer: TunnelPeer): void;
  deleteTunnelPeer(peer: TunnelPeer): void;
  /** Delays what leaves the link, in place of what it had before. */
  shape(ifindex: number, bucket: TokenBucket): void;
  /** Sends what comes in by one link out by `target`. */
  redirectIngress(ifindex: number, target: number): void;
  /**
   * Makes the place that filterIngress() needs, where there is none. On a link that is up the kernel drops what leaves by it
   * meanwhile, for some 2 ms (net/sched/sch_api.c, qdisc_graft()); on others this costs nothing.
   */
  addFilterPlace(ifindex: number): void;
  /**
   * Runs an eBPF program on what comes in by the link, in place of the one of an earlier call, whichever process made it: as
   * long as there is the link, without this process as well. Filters of others stay beside it. Makes the place for it, too,
   * where addFilterPlace() didn't.
   */
  filterIngress(ifindex: number, program: KernelObject): void;
  /** Whether the link runs a program of filterIngress(). False when it is gone. */
  hasIngressFilter(ifindex: number): boolean;
  /** Ends what filterIngress() began, but for the place for filters, which others may use; nothing happens where it ended. */
  unfilterIngress(ifindex: number): void;
  close(): void;
}

/** lo has index 1 in every namespace: net/core/dev.c makes it first. */
export const LOOPBACK_INDEX = 1;

/** Opens rtnetlink in `netns`, or in the namespace of this process. */
export function openRtnetlink(netns?: Netns): Rtnetlink {
  const socket = openNetlinkSocket(NETLINK_ROUTE, netns);

  const link = (name: string) => {
    try {
      return socket.request(getLink(name)).map(decodeLink)[0];
    } catch (error) {
      if (hasErrno(error, "ENODEV")) return undefined;
      throw error;
    }
  };
  const create = (request: NetlinkRequest, name: string): Link => {
    const answers = socket.request(request);
    return decodeLink(answers[0] ?? socket.request(getLink(name))[0]!);
  };

  const addFilterPlace = (ifindex: number) => {
    try {
      socket.request(addClsact(ifindex));
    } catch (error) {
      if (!hasErrno(error, "EEXIST")) throw error;
    }
  };
  const hasIngressFilter = (ifindex: number) => socket.dump(listIngressFilters(ifindex)).some(isOwnFilter);

  let slowSocket: NetlinkSocket | undefined;
  const deleteLinks = async (names: readonly string[]) => {
    slowSocket ??= openNetlinkSocket(NETLINK_ROUTE, netns);
    const refusals = await slowSocket.requestLater(removeLinks(names));
    const serious = refusals.find((error) => !hasErrno(error, "ENODEV"));
    if (serious !== undefined) throw serious;
  };

  return {
    links: () => socket.dump(listLinks()).map(decodeLink),
    link,
    netnsId: (netns) => decodeAll(socket.request(getNetnsId(netns)), decodeNetnsId)[0],
    addresses: () => decodeAll(socket.dump(listAddresses()), decodeLinkAddress),
    routes: () => decodeAll(socket.dump(listRoutes()), decodeRoute),
    neighbours: (ifindex) => decodeAll(socket.dump(listNeighbours(ifindex)), decodeNeighbour),
    tunnelPeers: (ifindex) =>
      decodeAll(socket.dump(listTunnelPeers(ifindex)), (message) => decodeTunnelPeer(message, ifindex)),
    qdiscs: (ifindex) => decodeAll(socket.dump(listQdiscs(ifindex)), (message) => decodeQdisc(message, ifindex)),
    createIfb: (options) => create(addIfb(options), options.name),
    createVxlan: (options) => create(addVxlan(options), options.name).index,
    createBridge: (options) => create(addBridge(options), options.name).index,
    createVeth: (options) => create(addVeth(options), options.name),
    setLink: (index, change) => {
      for (const request of changeLink(index, change)) socket.request(request);
    },
    bringUp: (links, addresses) => {
      const withIpv6 = new Set(
        addresses.filter(({ address }) => address.family === "ipv6").map(({ ifindex }) => ifindex),
      );
      const refusals = socket.requestAll([
        ...links.filter((index) => index !== LOOPBACK_INDEX && !withIpv6.has(index)).map(withoutLinkLocal),
        ...addresses.map(addAddress),
        ...links.flatMap((index) => changeLink(index, { up: true })),
      ]);
      const serious = refusals.find((error) => !hasErrno(error, "EAFNOSUPPORT")); // a kernel without IPv6
      if (serious !== undefined) throw serious;
    },
    deleteLink: (index) => void socket.request(removeLink(index)),
    deleteLinks,
    addAddress: (address) => {
      try {
        socket.request(addAddress(address));
      } catch (error) {
        if (!hasErrno(error, "EEXIST")) throw error;
      }
    },
    deleteAddress: (address) => void socket.request(removeAddress(address)),
    replaceRoute: (route) => void socket.request(replaceRoute(route)),
    deleteRoute: (route) => void socket.request(removeRoute(route)),
    replaceNeighbour: (neighbour) => void socket.request(replaceNeighbour(neighbour)),
    deleteNeighbour: (neighbour) => void socket.request(removeNeighbour(neighbour)),
    askForNeighbour: (neighbour) => void socket.request(askForNeighbour(neighbour)),
    replaceTunnelPeer: (peer) => void socket.request(replaceTunnelPeer(peer)),
    deleteTunnelPeer: (peer) => void socket.request(removeTunnelPeer(peer)),
    shape: (ifindex, bucket) => void socket.request(shape(ifindex, bucket)),
    redirectIngress: (ifindex, target) => {
      for (const request of redirectIngress(ifindex, target)) socket.request(request);
    },
    addFilterPlace,
    filterIngress: (ifindex, program) => {
      addFilterPlace(ifindex);
      socket.request(addIngressFilter(ifindex, program));
    },
    hasIngressFilter,
    unfilterIngress: (ifindex) => {
      if (hasIngressFilter(ifindex)) socket.request(removeIngressFilter(ifindex));
    },
    close: () => {
      socket.close();
      slowSocket?.close();
    },
  };
}

function decodeAll<T>(messages: readonly NetlinkMessage[], decode: (message: NetlinkMessage) => T | undefined): T[] {
  return messages.map(decode).filter((item) => item !== undefined);
}
