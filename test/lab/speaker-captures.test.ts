import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { exec } from "../../linux/mod.ts";
import {
  ALL_NODES,
  ArpOperation,
  addressToBytes,
  arpReply,
  BROADCAST_MAC,
  EtherType,
  encodeArp,
  encodeEthernet,
  encodeNdp,
  gratuitousArp,
  multicastMac,
  type NdpPacket,
  type NeighbourSolicitation,
  parseAddress,
  solicitedNodeGroup,
} from "../../net/mod.ts";
import { ndpReply, unsolicitedNdp } from "../../speaker/l2/ndp-responder.ts";

const bytes = (text: string) => addressToBytes(parseAddress(text));
const OURS = Uint8Array.of(2, 0, 0, 0, 0, 1);
const THEIRS = Uint8Array.of(2, 0, 0, 0, 0, 2);
const ADDRESS = bytes("192.0.2.100");
const TARGET = bytes("2001:db8::100");

const request = {
  operation: ArpOperation.Request,
  senderMac: THEIRS,
  senderIp: bytes("192.0.2.10"),
  targetMac: new Uint8Array(6),
  targetIp: ADDRESS,
};
const group = solicitedNodeGroup(TARGET);
const asked: NeighbourSolicitation = {
  kind: "solicitation",
  source: bytes("fe80::2"),
  destination: group,
  target: TARGET,
  sourceMac: THEIRS,
};
const { sourceMac: _, ...unsigned } = asked;
const probe: NeighbourSolicitation = { ...unsigned, source: bytes("::") };

const arp = (destination: Uint8Array, source: Uint8Array, packet: Parameters<typeof encodeArp>[0]) =>
  encodeEthernet({ destination, source, etherType: EtherType.Arp, payload: encodeArp(packet) });
const ndp = (destination: Uint8Array, source: Uint8Array, packet: NdpPacket) =>
  encodeEthernet({ destination, source, etherType: EtherType.Ipv6, payload: encodeNdp(packet) });

/** Every kind of frame that is asked or said about an address. */
const FRAMES = [
  arp(BROADCAST_MAC, THEIRS, request),
  arp(THEIRS, OURS, arpReply(request, OURS)),
  arp(BROADCAST_MAC, OURS, gratuitousArp(ArpOperation.Request, ADDRESS, OURS)),
  arp(BROADCAST_MAC, OURS, gratuitousArp(ArpOperation.Reply, ADDRESS, OURS)),
  ndp(multicastMac(group), THEIRS, asked),
  ndp(THEIRS, OURS, ndpReply(asked, OURS)),
  ndp(multicastMac(ALL_NODES), OURS, unsolicitedNdp(TARGET, OURS)),
  ndp(multicastMac(group), THEIRS, probe),
  ndp(multicastMac(ALL_NODES), OURS, ndpReply(probe, OURS)),
];

/** A capture file: magic, version 2.4, zone, accuracy, longest frame, Ethernet; then time, length twice, frame. pcap-savefile(5). */
function capture(frames: readonly Uint8Array[]): Buffer {
  const words = (...values: number[]) => Buffer.from(Uint32Array.from(values).buffer);
  const records = frames.flatMap((frame) => [words(0, 0, frame.length, frame.length), frame]);
  return Buffer.concat([words(0xa1b2c3d4, 0x0004_0002, 0, 0, 0xffff, 1), ...records]);
}

test("tcpdump reads every kind of frame as it is meant", async () => {
  const directory = mkdtempSync(join(tmpdir(), "ib-capture-"));
  try {
    const file = join(directory, "frames.pcap");
    writeFileSync(file, capture(FRAMES));
    const text = await exec("tcpdump", ["-r", file, "-n", "-e", "-t", "-vv"]);
    await expect(text).toMatchFileSnapshot("../golden/l2/frames.txt");
  } finally {
    rmSync(directory, { recursive: true });
  }
});
