import { openPacketSocket, openRtnetlink } from "../../linux/mod.ts";
import {
  ArpOperation,
  addressFromBytes,
  addressToBytes,
  BROADCAST_MAC,
  decodeArp,
  decodeEthernet,
  EtherType,
  encodeArp,
  encodeEthernet,
  parseAddress,
  printAddress,
  printMac,
} from "../../net/mod.ts";

/** An ARP frame as a neighbour on the LAN sees it. */
export interface SeenArp {
  /** Whose hardware address it tells. */
  readonly address: string;
  /** What it says the address is at. */
  readonly mac: string;
  /** Where the frame came from. */
  readonly source: string;
  readonly kind: "answer" | "gratuitous request" | "gratuitous reply";
}

/** Classic BPF "return everything": RET K. */
const EVERYTHING = [{ code: 0x06, jt: 0, jf: 0, k: 0xffff }];

/** Asks who has addresses, on eth0 of the network namespace it runs in, and tells every ARP frame that says so. */
export function openArpAsker(own: string, onSeen: (seen: SeenArp) => void): { ask(address: string): void } {
  const link = openRtnetlink().link("eth0")!;
  const socket = openPacketSocket({
    ifindex: link.index,
    etherType: EtherType.Arp,
    filter: EVERYTHING,
    onFrame: (bytes) => {
      const { destination, source, payload } = decodeEthernet(bytes);
      const packet = decodeArp(payload);
      if (packet === undefined) return;
      const gratuitous = packet.operation === ArpOperation.Request ? "gratuitous request" : "gratuitous reply";
      onSeen({
        address: printAddress(addressFromBytes(packet.senderIp)),
        mac: printMac(packet.senderMac),
        source: printMac(source),
        kind: printMac(destination) === printMac(BROADCAST_MAC) ? gratuitous : "answer",
      });
    },
    onError: (error) => {
      throw error;
    },
  });
  const senderIp = addressToBytes(parseAddress(own));
  return {
    ask: (address) => {
      const targetIp = addressToBytes(parseAddress(address));
      const question = { operation: ArpOperation.Request, senderMac: link.mac, senderIp, targetIp };
      const payload = encodeArp({ ...question, targetMac: new Uint8Array(6) });
      socket.send(encodeEthernet({ destination: BROADCAST_MAC, source: link.mac, etherType: EtherType.Arp, payload }));
    },
  };
}
