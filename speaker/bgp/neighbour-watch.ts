import { explainError, hasCode } from "../../core/mod.ts";
import {
  type BpfInstruction,
  FILTER_ACCEPT,
  FILTER_CODE,
  FILTER_DROP,
  type Link,
  openPacketSocket,
  type PacketSocket,
} from "../../linux/mod.ts";
import {
  type Address,
  ALL_NODES,
  addressFromBytes,
  addressToBytes,
  ETHERNET_HEADER_LENGTH,
  EtherType,
  encodeEthernet,
  encodeRouterAdvertisement,
  ICMPV6_PROTOCOL,
  IPV6_HEADER_LENGTH,
  isLinkLocal,
  multicastMac,
  NDP_HOP_LIMIT,
  ROUTER_ADVERTISEMENT,
  readRouterAdvertisement,
} from "../../net/mod.ts";
import type { EnginePorts } from "./engine.ts";
import type { Host } from "./host.ts";

/** Milliseconds between two of our advertisements: as often as FRR for its unnumbered sessions. */
const PERIOD = 10_000;
/** The first ones follow each other faster, since the other side may be waiting: RFC 4861 section 6.2.4. */
const FIRST = { count: 3, pause: 1000 } as const;

const { LOAD_BYTE, JUMP_EQUAL } = FILTER_CODE;
/** Passes router advertisements of this very link. */
const FILTER: readonly BpfInstruction[] = [
  { code: LOAD_BYTE, jt: 0, jf: 0, k: ETHERNET_HEADER_LENGTH + 6 },
  { code: JUMP_EQUAL, jt: 0, jf: 5, k: ICMPV6_PROTOCOL },
  { code: LOAD_BYTE, jt: 0, jf: 0, k: ETHERNET_HEADER_LENGTH + 7 },
  { code: JUMP_EQUAL, jt: 0, jf: 3, k: NDP_HOP_LIMIT },
  { code: LOAD_BYTE, jt: 0, jf: 0, k: ETHERNET_HEADER_LENGTH + IPV6_HEADER_LENGTH },
  { code: JUMP_EQUAL, jt: 0, jf: 1, k: ROUTER_ADVERTISEMENT },
  FILTER_ACCEPT,
  FILTER_DROP,
];

/** Finds the router at the other end of interfaces, and lets it find this node. */
export interface NeighbourWatch {
  /** Watches exactly these interfaces, as far as the host has them. */
  setInterfaces(names: readonly string[]): void;
  close(): void;
}

interface Port {
  readonly index: number;
  readonly socket: PacketSocket;
  timer: NodeJS.Timeout;
  sent: number;
}

export function openNeighbourWatch(
  host: () => Host,
  onNeighbour: (device: string, address: Address) => void,
  onLog: EnginePorts["onLog"],
): NeighbourWatch {
  const ports = new Map<string, Port>();

  const closePort = (name: string) => {
    const port = ports.get(name);
    clearTimeout(port?.timer);
    port?.socket.close();
    ports.delete(name);
  };

  const advertise = (link: Link, port: Port) => {
    const own = host().addresses.find(({ ifindex, address }) => ifindex === link.index && isLinkLocal(address));
    if (own !== undefined) {
      const payload = encodeRouterAdvertisement(addressToBytes(own.address), link.mac);
      const frame = { destination: multicastMac(ALL_NODES), source: link.mac, etherType: EtherType.Ipv6, payload };
      tryTo(link.name, () => port.socket.send(encodeEthernet(frame)));
      port.sent++;
    }
    port.timer = setTimeout(advertise, port.sent < FIRST.count ? FIRST.pause : PERIOD, link, port);
  };

  const open = (link: Link) => {
    const onFrame = (frame: Uint8Array) => {
      const source = readRouterAdvertisement(frame.subarray(ETHERNET_HEADER_LENGTH));
      if (source !== undefined) onNeighbour(link.name, addressFromBytes(source));
    };
    const onError = (error: unknown) => {
      complain(link.name, error);
      closePort(link.name); // the next look at the interfaces opens it again
    };
    tryTo(link.name, () => {
      const options = { ifindex: link.index, etherType: EtherType.Ipv6, filter: FILTER, onFrame, onError };
      const port: Port = { index: link.index, socket: openPacketSocket(options), timer: setTimeout(() => {}), sent: 0 };
      ports.set(link.name, port);
      advertise(link, port);
    });
  };

  const tryTo = (name: string, work: () => void) => {
    try {
      work();
    } catch (error) {
      if (!hasCode(error, "IB_KERNEL_REFUSED")) throw error;
      complain(name, error);
    }
  };
  const complain = (name: string, error: unknown) => {
    const fields = { interface: name, reason: explainError(error) };
    onLog("warn", "bgp.neighbour", fields, "can't look for the router of an interface");
  };

  return {
    setInterfaces: (names) => {
      for (const [name, { index }] of ports) {
        const link = host().links.find((each) => each.index === index && each.up);
        if (link === undefined || !names.includes(name)) closePort(name);
      }
      for (const link of host().links) {
        if (names.includes(link.name) && link.up && !ports.has(link.name)) open(link);
      }
    },
    close: () => {
      for (const name of [...ports.keys()]) closePort(name);
    },
  };
}
