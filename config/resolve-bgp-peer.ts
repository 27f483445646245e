import { printAddress, sameAddress, tryParseAddress } from "../net/mod.ts";
import { BGP_PEER, BGP_PEERS, type BGPPeer, LONGEST_PASSWORD } from "./bgp-peer.ts";
import { parseDuration } from "./duration.ts";
import type { BfdSettings, BgpPeer } from "./model.ts";
import { mayShareNode, type NodeLabels } from "./node-match.ts";
import { describeObject, type Mistake, problemsOf, type Read, type Resolved, readObject } from "./refusal.ts";
import { type FieldMistake, showValue } from "./schema.ts";

const BGP_PORT = 179;

/** What a peer is held against. */
export interface PeerSurroundings {
  readonly bfdProfiles: readonly BfdSettings[];
  readonly nodes: NodeLabels;
}

/** @param older The peers that were there before, which stand when two exclude each other. */
export function resolveBgpPeer(
  object: BGPPeer,
  older: readonly BgpPeer[],
  around: PeerSurroundings,
): Resolved<BgpPeer> {
  const read = readObject(BGP_PEERS, BGP_PEER, object);
  if (!read.ok) return read;
  const peer = modelOf(read);
  const neighbours = older.filter((other) => mayShareNode(other.nodeSelectors, peer.nodeSelectors, around.nodes));
  const mistakes = [...bfdMistakes(peer, around), ...passwordMistakes(peer), ...conflicts(peer, neighbours)];
  return mistakes.length === 0 ? { value: peer, problems: [] } : { problems: problemsOf(BGP_PEERS, object, mistakes) };
}

function modelOf({ name, namespace, spec }: Extract<Read<typeof BGP_PEER.spec>, { ok: true }>): BgpPeer {
  const { peerASN, dynamicASN, localASN, password = "", passwordSecret, bfdProfile = "" } = spec;
  const sourceAddress = tryParseAddress(spec.sourceAddress ?? "");
  const routerId = tryParseAddress(spec.routerID ?? "");
  const connectSeconds = secondsOf(spec.connectTime);
  const address = tryParseAddress(spec.peerAddress ?? "");
  return {
    name,
    namespace,
    myAsn: spec.myASN,
    peerAsn: dynamicASN ?? peerASN ?? 0,
    ...(localASN === undefined ? {} : { localAsn: localASN }),
    target: address === undefined ? { kind: "interface", name: spec.interface ?? "" } : { kind: "address", address },
    port: spec.peerPort === 0 ? BGP_PORT : spec.peerPort,
    ...(sourceAddress === undefined ? {} : { sourceAddress }),
    ...timersOf(secondsOf(spec.holdTime), secondsOf(spec.keepaliveTime)),
    ...(connectSeconds === undefined ? {} : { connectSeconds }),
    ...(routerId === undefined ? {} : { routerId }),
    nodeSelectors: spec.nodeSelectors,
    ...(password === "" ? {} : { password }),
    ...(passwordSecret?.name
      ? { passwordSecret: { name: passwordSecret.name, namespace: passwordSecret.namespace || namespace } }
      : {}),
    ...(bfdProfile === "" ? {} : { bfdProfile }),
    gracefulRestart: spec.enableGracefulRestart ?? false,
    multiHop: spec.ebgpMultiHop ?? false,
    vrf: spec.vrf ?? "",
    dualStack: spec.dualStackAddressFamily,
  };
}

function secondsOf(text: string | undefined): number | undefined {
  const time = text === undefined ? undefined : parseDuration(text);
  return time === undefined ? undefined : Math.trunc(time / 1000);
}

/** Of the two times one gives the other: RFC 4271 section 10 has keepalives at a third of the hold time. */
function timersOf(hold: number | undefined, keepalive: number | undefined) {
  if (hold === undefined && keepalive === undefined) return {};
  return {
    holdTimeSeconds: hold ?? keepalive! * 3,
    keepaliveSeconds: keepalive ?? Math.trunc(hold! / 3),
  };
}

function bfdMistakes(peer: BgpPeer, { bfdProfiles }: PeerSurroundings): Mistake[] {
  const { bfdProfile } = peer;
  if (bfdProfile === undefined || bfdProfiles.some(({ name }) => name === bfdProfile)) return [];
  const complaint = "peer referencing non existing bfd profile; create the BFDProfile or correct the name";
  return [{ field: "spec.bfdProfile", value: showValue(bfdProfile), complaint, waits: true }];
}

/** The password itself is for no message. */
function passwordMistakes({ password = "" }: BgpPeer): FieldMistake[] {
  const octets = Buffer.byteLength(password);
  if (octets <= LONGEST_PASSWORD) return [];
  const complaint = `a TCP-MD5 key has at most ${LONGEST_PASSWORD}; write a shorter password here and at the router`;
  return [{ field: "spec.password", value: `${octets} octets long`, complaint }];
}

/** @param neighbours Older peers that share a node with `peer`. */
function conflicts(peer: BgpPeer, neighbours: readonly BgpPeer[]): FieldMistake[] {
  const told: FieldMistake[] = [];
  const same = neighbours.find((other) => other.vrf === peer.vrf && sameTarget(other, peer));
  if (same !== undefined) {
    const field = peer.target.kind === "address" ? "spec.peerAddress" : "spec.interface";
    const complaint = `a session with this peer already exists: ${describePeer(same)}, which came first, has it on a node of this one; remove one of the two`;
    told.push({ field, value: showValue(printTarget(peer)), complaint });
  }
  const otherId = neighbours.find(({ routerId }) => printId(routerId) !== printId(peer.routerId));
  if (otherId !== undefined) {
    const complaint = `all peers of a node must have the same router ID, and ${describePeer(otherId)}, which came first, has ${printId(otherId.routerId)}; write the same in both`;
    told.push({ field: "spec.routerID", value: showValue(peer.routerId && printAddress(peer.routerId)), complaint });
  }
  const otherAsn = neighbours.find(({ vrf, myAsn }) => vrf === peer.vrf && myAsn !== peer.myAsn);
  if (otherAsn !== undefined) {
    const complaint = `all peers of a node must have the same myASN in one VRF, and ${describePeer(otherAsn)}, which came first, has ${otherAsn.myAsn}; write the same in both, or use localASN`;
    told.push({ field: "spec.myASN", value: showValue(peer.myAsn), complaint });
  }
  return told;
}

function sameTarget({ target: a }: BgpPeer, { target: b }: BgpPeer): boolean {
  if (a.kind === "address") return b.kind === "address" && sameAddress(a.address, b.address);
  return b.kind === "interface" && a.name === b.name;
}

function printTarget({ target }: BgpPeer): string {
  return target.kind === "address" ? printAddress(target.address) : target.name;
}

function printId(routerId: BgpPeer["routerId"]): string {
  return routerId === undefined ? "none" : printAddress(routerId);
}

function describePeer(peer: BgpPeer): string {
  return describeObject(BGP_PEERS, peer);
}
