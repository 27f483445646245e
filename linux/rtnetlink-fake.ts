import { type Address, type Prefix, prefixContains, prefixOf, printAddress, sameAddress } from "../net/mod.ts";
import type { KernelObject } from "./ebpf.ts";
import { ERRNO, kernelError } from "./libc.ts";
import type { Netns } from "./netns.ts";
import type { Rtnetlink } from "./rtnetlink.ts";
import type { LinkAddress } from "./rtnetlink-address.ts";
import type { Link, LinkChange } from "./rtnetlink-link.ts";
import type { BridgeOptions, IfbOptions, VethOptions, VxlanOptions } from "./rtnetlink-link-creation.ts";
import type { Neighbour, TunnelPeer } from "./rtnetlink-neighbour.ts";
import type { Qdisc, TokenBucket } from "./rtnetlink-qdisc.ts";
import type { Route } from "./rtnetlink-route.ts";

/** The links of one network namespace in memory, for unit tests. */
export interface FakeRtnetlink extends Rtnetlink {
  /** The same for another namespace: the peers of veth pairs made here with that path are there. */
  inNetns(path: string): FakeRtnetlink;
  /** Indexes of bridge ports with hairpin on. */
  readonly hairpins: ReadonlySet<number>;
  /** The program of filterIngress() that the link runs. */
  ingressFilter(ifindex: number): KernelObject | undefined;
}

/** The kernel's own routes: linux/rtnetlink.h RTPROT_KERNEL. */
const RTPROT_KERNEL = 2;

type Namespaces = Map<string, FakeNamespace>;

/**
 * Begins with a loopback link of index 1. As the kernel, it makes the route of an address' prefix, takes everything of a
 * deleted link with it, and refuses names in use, links that are not there and gateways that no link leads to.
 */
export function fakeRtnetlink(): FakeRtnetlink {
  const namespaces: Namespaces = new Map();
  return namespaceOf(namespaces, "");
}

function namespaceOf(namespaces: Namespaces, path: string): FakeNamespace {
  const known = namespaces.get(path);
  if (known !== undefined) return known;
  const created = new FakeNamespace(namespaces);
  namespaces.set(path, created);
  return created;
}

class FakeNamespace implements FakeRtnetlink {
  readonly #namespaces: Namespaces;
  readonly #links = new Map<number, Link>([[1, { ...newLink(1, "lo", 65_536), loopback: true, broadcast: false }]]);
  /** Removes the other end of a veth pair. */
  readonly #peers = new Map<number, () => void>();
  #addresses: LinkAddress[] = [];
  #routes: Route[] = [];
  #neighbours: Neighbour[] = [];
  #tunnelPeers: TunnelPeer[] = [];
  readonly #qdiscs = new Map<number, Map<string, Qdisc>>();
  readonly #filters = new Map<number, KernelObject>();
  #nextIndex = 2;
  readonly hairpins = new Set<number>();

  constructor(namespaces: Namespaces) {
    this.#namespaces = namespaces;
  }

  inNetns(path: string): FakeRtnetlink {
    return namespaceOf(this.#namespaces, path);
  }

  links(): Link[] {
    return [...this.#links.values()];
  }

  link(name: string): Link | undefined {
    return this.links().find((link) => link.name === name);
  }

  netnsId(netns: Netns): number | undefined {
    const index = [...this.#namespaces.keys()].indexOf(netns.path);
    return index < 0 ? undefined : index;
  }

  addresses(): LinkAddress[] {
    return [...this.#addresses];
  }

  routes(): Route[] {
    return [...this.#routes];
  }

  neighbours(ifindex: number): Neighbour[] {
    return this.#neighbours.filter((neighbour) => neighbour.ifindex === ifindex);
  }

  createBridge({ name, mac, mtu }: BridgeOptions): number {
    return this.#add(`create bridge ${name}`, name, mtu, { kind: "bridge", mac });
  }

  tunnelPeers(ifindex: number): TunnelPeer[] {
    return this.#tunnelPeers.filter((peer) => peer.ifindex === ifindex);
  }

  qdiscs(ifindex: number): Qdisc[] {
    return [...(this.#qdiscs.get(ifindex)?.values() ?? [])];
  }

  createIfb({ name, mtu }: IfbOptions): Link {
    const what = `create ifb ${name}`;
    return this.#require(this.#add(what, name, mtu, { kind: "ifb" }), what);
  }

  createVxlan({ name, mac, mtu, vni, port, local, underlay }: VxlanOptions): number {
    this.#require(underlay, `create vxlan ${name}`);
    const vxlan = { vni, port, local: printAddress(local), underlay };
    return this.#add(`create vxlan ${name}`, name, mtu, { kind: "vxlan", mac, vxlan });
  }

  createVeth({ name, mtu, master, peer }: VethOptions): Link {
    const what = `create veth ${name} with peer ${peer.name}`;
    const other = namespaceOf(this.#namespaces, peer.netns.path);
    if (other.link(peer.name) !== undefined) throw kernelError(what, ERRNO.EEXIST);
    const index = this.#add(what, name, mtu, { kind: "veth", ...(master !== undefined && { master }) });
    const peerIndex = other.#add(what, peer.name, mtu, { kind: "veth", ...(peer.mac && { mac: peer.mac }) });
    const id = other === this ? undefined : this.netnsId(peer.netns);
    const peerNetns = id === undefined ? {} : { peerNetns: id };
    this.#links.set(index, { ...this.#links.get(index)!, peer: peerIndex, ...peerNetns });
    other.#links.set(peerIndex, { ...other.#links.get(peerIndex)!, peer: index });
    this.#peers.set(index, () => other.#forget(peerIndex));
    other.#peers.set(peerIndex, () => this.#forget(index));
    return this.#require(index, what);
  }

  setLink(index: number, change: LinkChange): void {
    const link = this.#require(index, `change the link of index ${index}`);
    const { master: oldMaster, ...rest } = link;
    const { up = link.up, mtu = link.mtu, name = link.name, master = oldMaster ?? 0, hairpin } = change;
    this.#links.set(index, { ...rest, name, up, carrier: up, operational: up, mtu, ...(master !== 0 && { master }) });
    if (hairpin === undefined) return;
    if (master === 0) throw kernelError(`set hairpin of the link of index ${index}`, ERRNO.EOPNOTSUPP);
    if (hairpin) this.hairpins.add(index);
    else this.hairpins.delete(index);
  }

  bringUp(links: readonly number[], addresses: readonly LinkAddress[]): void {
    for (const address of addresses) this.addAddress(address);
    for (const index of links) this.setLink(index, { up: true });
  }

  deleteLink(index: number): void {
    this.#require(index, `delete the link of index ${index}`);
    this.#peers.get(index)?.();
    this.#forget(index);
  }

  async deleteLinks(names: readonly string[]): Promise<void> {
    for (const name of names) {
      const link = this.link(name);
      if (link !== undefined) this.deleteLink(link.index);
    }
  }

  addAddress(address: LinkAddress): void {
    this.#require(address.ifindex, "add an address");
    if (this.#addresses.some((known) => sameLinkAddress(known, address))) return;
    this.#addresses.push(address);
    this.#routes.push(connectedRoute(address));
  }

  deleteAddress(address: LinkAddress): void {
    const rest = this.#addresses.filter((known) => !sameLinkAddress(known, address));
    if (rest.length === this.#addresses.length) throw kernelError("delete an address", ERRNO.EADDRNOTAVAIL);
    this.#addresses = rest;
    const route = connectedRoute(address);
    this.#routes = this.#routes.filter((known) => !(known.protocol === RTPROT_KERNEL && sameRoute(known, route)));
  }

  replaceRoute(route: Route): void {
    const { onLink, ifindex = onLink ? undefined : this.#linkTowards(route.gateway) } = route;
    if (ifindex === undefined) throw kernelError("set a route", ERRNO.ENETUNREACH);
    this.#require(ifindex, "set a route");
    this.#routes = this.#routes.filter((known) => !samePrefix(known.destination, route.destination));
    this.#routes.push({ ...route, ifindex });
  }

  deleteRoute(route: Route): void {
    const rest = this.#routes.filter((known) => !sameRoute(known, route));
    if (rest.length === this.#routes.length) throw kernelError("delete a route", ERRNO.ESRCH);
    this.#routes = rest;
  }

  replaceNeighbour(neighbour: Neighbour): void {
    this.#require(neighbour.ifindex, "set a neighbour");
    const { ifindex, address } = neighbour;
    this.#neighbours = this.#neighbours.filter((n) => n.ifindex !== ifindex || !sameAddress(n.address, address));
    this.#neighbours.push(neighbour);
  }

  /** Nobody is out there to answer. */
  askForNeighbour({ ifindex }: Omit<Neighbour, "mac">): void {
    this.#require(ifindex, "ask for a neighbour");
  }

  deleteNeighbour({ ifindex, address }: Neighbour): void {
    this.#neighbours = this.#neighbours.filter((n) => n.ifindex !== ifindex || !sameAddress(n.address, address));
  }

  replaceTunnelPeer(peer: TunnelPeer): void {
    this.#require(peer.ifindex, "set a tunnel peer");
    this.deleteTunnelPeer(peer);
    this.#tunnelPeers.push(peer);
  }

  deleteTunnelPeer({ ifindex, mac }: TunnelPeer): void {
    this.#tunnelPeers = this.#tunnelPeers.filter((p) => p.ifindex !== ifindex || !Buffer.from(p.mac).equals(mac));
  }

  shape(ifindex: number, { rate }: TokenBucket): void {
    this.#setQdisc(ifindex, { kind: "tbf", rate });
  }

  redirectIngress(ifindex: number, target: number): void {
    this.#require(target, "redirect to a link");
    this.#setQdisc(ifindex, { kind: "ingress" });
  }

  addFilterPlace(ifindex: number): void {
    this.#setQdisc(ifindex, { kind: "clsact" });
  }

  filterIngress(ifindex: number, program: KernelObject): void {
    this.addFilterPlace(ifindex);
    this.#filters.set(ifindex, program);
  }

  hasIngressFilter(ifindex: number): boolean {
    return this.#filters.has(ifindex);
  }

  ingressFilter(ifindex: number): KernelObject | undefined {
    return this.#filters.get(ifindex);
  }

  unfilterIngress(ifindex: number): void {
    this.#filters.delete(ifindex);
  }

  close(): void {}

  #setQdisc(ifindex: number, qdisc: Qdisc): void {
    this.#require(ifindex, "set a queueing discipline");
    const before = this.#qdiscs.get(ifindex) ?? new Map<string, Qdisc>();
    this.#qdiscs.set(ifindex, before.set(qdisc.kind, qdisc));
  }

  #add(what: string, name: string, mtu: number, properties: Partial<Link>): number {
    if (this.link(name) !== undefined) throw kernelError(what, ERRNO.EEXIST);
    const index = this.#nextIndex++;
    this.#links.set(index, { ...newLink(index, name, mtu), ...properties });
    return index;
  }

  #require(index: number, what: string): Link {
    const link = this.#links.get(index);
    if (link === undefined) throw kernelError(what, ERRNO.ENODEV);
    return link;
  }

  #forget(index: number): void {
    this.#links.delete(index);
    this.#peers.delete(index);
    this.hairpins.delete(index);
    this.#qdiscs.delete(index);
    this.#filters.delete(index);
    this.#tunnelPeers = this.#tunnelPeers.filter(({ ifindex }) => ifindex !== index);
    this.#addresses = this.#addresses.filter(({ ifindex }) => ifindex !== index);
    this.#routes = this.#routes.filter(({ ifindex }) => ifindex !== index);
    this.#neighbours = this.#neighbours.filter(({ ifindex }) => ifindex !== index);
    for (const link of this.links().filter(({ master }) => master === index)) this.setLink(link.index, { master: 0 });
  }

  #linkTowards(gateway: Address | undefined): number | undefined {
    if (gateway === undefined) return undefined;
    return this.#addresses.find(({ address, length }) => prefixContains(prefixOf(address, length), gateway))?.ifindex;
  }
}

function newLink(index: number, name: string, mtu: number): Link {
  const mac = Uint8Array.of(2, 0, 0, 0, index >> 8, index & 0xff);
  const flags = { up: false, carrier: false, operational: false, loopback: false, broadcast: true, noArp: false };
  return { index, name, mac, mtu, ...flags };
}

function connectedRoute({ address, length, ifindex }: LinkAddress): Route {
  const source = address.family === "ipv4" ? { source: address } : {}; // IPv6 chooses by rules of its own
  return { destination: prefixOf(address, length), ifindex, ...source, protocol: RTPROT_KERNEL };
}

function sameLinkAddress(a: LinkAddress, b: LinkAddress): boolean {
  return a.ifindex === b.ifindex && a.length === b.length && sameAddress(a.address, b.address);
}

function samePrefix(a: Prefix, b: Prefix): boolean {
  return a.family === b.family && a.first === b.first && a.length === b.length;
}

/** True when everything `wanted` names is so in `known`, which is how the kernel finds the route to delete. */
function sameRoute(known: Route, wanted: Route): boolean {
  const { gateway, ifindex } = wanted;
  return (
    samePrefix(known.destination, wanted.destination) &&
    known.protocol === wanted.protocol &&
    (ifindex === undefined || known.ifindex === ifindex) &&
    (gateway === undefined || (known.gateway !== undefined && sameAddress(known.gateway, gateway)))
  );
}
