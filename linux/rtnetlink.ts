import { hasErrno } from "./libc.ts";
import { NETLINK_ROUTE, type NetlinkMessage } from "./netlink-message.ts";
import { type NetlinkSocket, openNetlinkSocket } from "./netlink-socket.ts";
import type { Netns } from "./netns.ts";
import { addAddress, decodeLinkAddress, type LinkAddress, listAddresses, removeAddress } from "./rtnetlink-address.ts";
import {
  addBridge,
  addVeth,
  type BridgeOptions,
  changeLink,
  decodeLink,
  getLink,
  type Link,
  type LinkChange,
  listLinks,
  removeLink,
  removeLinks,
  type VethOptions,
} from "./rtnetlink-link.ts";
import { decodeNeighbour, listNeighbours, type Neighbour, replaceNeighbour } from "./rtnetlink-neighbour.ts";
import { decodeRoute, listRoutes, type Route, removeRoute, replaceRoute } from "./rtnetlink-route.ts";

/**
 * Links, addresses, routes and neighbours of one network namespace. Every call is synchronous and some microseconds,
 * and throws IB_KERNEL_REFUSED with what was asked and the kernel's reason; hasErrno() tells the reasons apart.
 */
export interface Rtnetlink {
  links(): Link[];
  link(name: string): Link | undefined;
  addresses(): LinkAddress[];
  /** Routes of the main table, both families. */
  routes(): Route[];
  neighbours(ifindex: number): Neighbour[];
  /** Returns the index. */
  createBridge(options: BridgeOptions): number;
  /** Both ends in one request, the peer born in its namespace. Both are down. Returns the index of the host end. */
  createVeth(options: VethOptions): number;
  setLink(index: number, change: LinkChange): void;
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
  close(): void;
}

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
  const indexOf = (name: string) => socket.request(getLink(name)).map(decodeLink)[0]!.index;
  const setLink = (index: number, change: LinkChange) => {
    for (const request of changeLink(index, change)) socket.request(request);
  };
  const deleteLink = (index: number) => void socket.request(removeLink(index));

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
    addresses: () => decodeAll(socket.dump(listAddresses()), decodeLinkAddress),
    routes: () => decodeAll(socket.dump(listRoutes()), decodeRoute),
    neighbours: (ifindex) => decodeAll(socket.dump(listNeighbours(ifindex)), decodeNeighbour),
    createBridge: (options) => {
      socket.request(addBridge(options));
      return indexOf(options.name);
    },
    createVeth: (options) => {
      socket.request(addVeth(options));
      const index = indexOf(options.name);
      if (!options.hairpin) return index;
      try {
        setLink(index, { hairpin: true });
        return index;
      } catch (error) {
        deleteLink(index); // all or nothing
        throw error;
      }
    },
    setLink,
    deleteLink,
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
    close: () => {
      socket.close();
      slowSocket?.close();
    },
  };
}

function decodeAll<T>(messages: readonly NetlinkMessage[], decode: (message: NetlinkMessage) => T | undefined): T[] {
  return messages.map(decode).filter((item) => item !== undefined);
}
