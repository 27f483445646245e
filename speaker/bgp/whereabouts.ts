import { explainError } from "../../core/mod.ts";
import { dialTcp, type Link } from "../../linux/mod.ts";
import { type Address, isLinkLocal, printAddress } from "../../net/mod.ts";
import type { BfdPeer } from "../bfd/table.ts";
import type { Dial } from "./connection.ts";
import { type Host, isConnected } from "./host.ts";
import type { PeerSettings } from "./message.ts";
import { openTransport } from "./transport.ts";

/** Where a peer is to be found. */
export interface Location {
  readonly address: Address;
  /** The interface of a link-local address, or the VRF. */
  readonly device?: Link;
}

/** TTL of what is sent: arrives with 254 at the next hop's neighbour, and with 255 where no router was in between. */
const TTL = 255;
/** CS6, network control. */
const NETWORK_CONTROL = 0xc0;

/** Knows where peers are, those that are given by their interface only included. */
export class Whereabouts {
  readonly #host: () => Host;
  /** The neighbour heard on an interface, by its name. */
  readonly #neighbours = new Map<string, Address>();

  constructor(host: () => Host) {
    this.#host = host;
  }

  /** A router told of itself on `device`. True when this is news. */
  noteNeighbour(device: string, address: Address): boolean {
    const known = this.#neighbours.get(device);
    this.#neighbours.set(device, address);
    return known?.value !== address.value;
  }

  /** Undefined while the neighbour or the interface is not there. */
  locate({ target, vrf }: PeerSettings): Location | undefined {
    const linkOf = (name: string) => this.#host().links.find((link) => link.name === name);
    if (target.kind === "address") {
      const device = vrf === "" ? undefined : linkOf(vrf);
      if (vrf !== "" && device === undefined) return undefined;
      return { address: target.address, ...(device && { device }) };
    }
    const address = this.#neighbours.get(target.name);
    const device = linkOf(target.name);
    return address === undefined || device === undefined ? undefined : { address, device };
  }

  /** Undefined when the peer has no BFD, or can't be found yet. */
  bfdPeerOf(peer: PeerSettings): BfdPeer | undefined {
    const { bfd, name, sourceAddress, multiHop } = peer;
    const location = this.locate(peer);
    if (bfd === undefined || location === undefined) return undefined;
    const near = !multiHop && isConnected(this.#host(), location.address);
    return {
      name,
      remote: location.address,
      device: isLinkLocal(location.address) ? (location.device?.name ?? "") : "",
      ...(sourceAddress && { local: sourceAddress }),
      ...(near ? {} : { multiHopTtl: bfd.minimumTtl }),
      times: bfd,
    };
  }

  /** "192.0.2.1:179", as MetalLB labels its metrics. */
  print(peer: PeerSettings): string {
    const location = this.locate(peer);
    if (location === undefined) return "";
    const text = printAddress(location.address);
    return location.address.family === "ipv4" ? `${text}:${peer.port}` : `[${text}]:${peer.port}`;
  }
}

/** Connects to the peer wherever it is at that moment. */
export function dialPeer(peer: PeerSettings, whereabouts: Whereabouts): Dial {
  const { port, sourceAddress, password, minimumTtl } = peer;
  return (events, onDone) => {
    const location = whereabouts.locate(peer);
    if (location === undefined) {
      const missing =
        peer.target.kind === "interface" ? `no router was heard on ${peer.target.name}` : `no VRF ${peer.vrf}`;
      const told = setImmediate(onDone, { failed: missing });
      return { cancel: () => clearImmediate(told) };
    }
    const { address, device } = location;
    const options = {
      remote: address,
      port,
      ttl: TTL,
      trafficClass: NETWORK_CONTROL,
      ...(sourceAddress && { local: sourceAddress }),
      ...(device && { device }),
      ...(password === undefined ? {} : { md5Key: password }),
      ...(minimumTtl === undefined ? {} : { minimumTtl }),
    };
    return dialTcp(options, (outcome) => {
      if (typeof outcome === "number") onDone(openTransport(outcome, events));
      else onDone({ failed: explainError(outcome) });
    });
  };
}
