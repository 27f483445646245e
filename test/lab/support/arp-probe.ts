/**
 * A neighbour on the LAN, in the network namespace it is started in: asks for one address again and again and tells every
 * ARP frame about it as an ArpSighting message. Arguments: the address, its own address.
 */
import { openPacketSocket, openRtnetlink } from "../../../linux/mod.ts";
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
} from "../../../net/mod.ts";

export interface ArpSighting {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** What the frame says the address is at. */
  readonly mac: string;
  /** Where the frame came from. */
  readonly source: string;
  readonly kind: "answer" | "gratuitous request" | "gratuitous reply";
}

/** Milliseconds between two questions. */
const INTERVAL = 10;
/** Classic BPF "return everything": RET K. */
const EVERYTHING = [{ code: 0x06, jt: 0, jf: 0, k: 0xffff }];

const [wanted = "", own = ""] = process.argv.slice(2);
const link = openRtnetlink().link("eth0")!;
const socket = openPacketSocket({
  ifindex: link.index,
  etherType: EtherType.Arp,
  filter: EVERYTHING,
  onFrame: (bytes) => {
    const frame = decodeEthernet(bytes);
    const packet = decodeArp(frame.payload);
    if (packet === undefined || printAddress(addressFromBytes(packet.senderIp)) !== wanted) return;
    const toAll = printMac(frame.destination) === printMac(BROADCAST_MAC);
    const gratuitous = packet.operation === ArpOperation.Request ? "gratuitous request" : "gratuitous reply";
    const sighting: ArpSighting = {
      at: Date.now(),
      mac: printMac(packet.senderMac),
      source: printMac(frame.source),
      kind: toAll ? gratuitous : "answer",
    };
    process.send?.(sighting);
  },
  onError: (error) => {
    throw error;
  },
});

const question = encodeEthernet({
  destination: BROADCAST_MAC,
  source: link.mac,
  etherType: EtherType.Arp,
  payload: encodeArp({
    operation: ArpOperation.Request,
    senderMac: link.mac,
    senderIp: addressToBytes(parseAddress(own)),
    targetMac: new Uint8Array(6),
    targetIp: addressToBytes(parseAddress(wanted)),
  }),
});
setInterval(() => socket.send(question), INTERVAL);
process.on("disconnect", () => process.exit());
