/**
 * A neighbour on the LAN, in the network namespace it is started in: asks for one address after the other and measures how
 * long each answer takes. Argument: JSON { prefix: "10.50", count, own }. Answers every message with ArpLatency of the time
 * since the last one.
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

export interface ArpLatency {
  /** Milliseconds from question to answer. */
  readonly answers: readonly number[];
  /** Questions that were never answered. */
  readonly unanswered: number;
  /** How often each address was announced unasked. */
  readonly gratuitous: Readonly<Record<string, number>>;
}

/** Milliseconds between two questions. */
const INTERVAL = 4;
/** Classic BPF "return everything": RET K. */
const EVERYTHING = [{ code: 0x06, jt: 0, jf: 0, k: 0xffff }];

const { prefix, count, own }: { prefix: string; count: number; own: string } = JSON.parse(process.argv[2]!);
const asked = new Map<string, number>();
let answers: number[] = [];
let gratuitous: Record<string, number> = {};
const link = openRtnetlink().link("eth0")!;
const socket = openPacketSocket({
  ifindex: link.index,
  etherType: EtherType.Arp,
  filter: EVERYTHING,
  onFrame: (bytes) => {
    const now = performance.now();
    const frame = decodeEthernet(bytes);
    const packet = decodeArp(frame.payload);
    if (packet === undefined) return;
    const address = printAddress(addressFromBytes(packet.senderIp));
    if (!address.startsWith(prefix)) return;
    if (printMac(frame.destination) === printMac(BROADCAST_MAC)) {
      gratuitous[address] = (gratuitous[address] ?? 0) + 1;
      return;
    }
    const since = asked.get(address);
    asked.delete(address);
    if (since !== undefined) answers.push(now - since);
  },
  onError: (error) => {
    throw error;
  },
});

let next = 0;
const ask = () => {
  const address = `${prefix}.${next >> 8}.${next & 0xff}`;
  next = (next + 1) % count;
  const packet = {
    operation: ArpOperation.Request,
    senderMac: link.mac,
    senderIp: addressToBytes(parseAddress(own)),
    targetMac: new Uint8Array(6),
    targetIp: addressToBytes(parseAddress(address)),
  };
  const payload = encodeArp(packet);
  const frame = encodeEthernet({ destination: BROADCAST_MAC, source: link.mac, etherType: EtherType.Arp, payload });
  asked.set(address, performance.now());
  socket.send(frame);
};
setInterval(ask, INTERVAL);
process.on("message", () => {
  const latency: ArpLatency = { answers, unanswered: asked.size, gratuitous };
  answers = [];
  gratuitous = {};
  asked.clear();
  process.send?.(latency);
});
process.on("disconnect", () => process.exit());
