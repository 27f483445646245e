import { createHash } from "node:crypto";
import { type BfdSettings, type BGPPeer, type BgpPeer, LONGEST_PASSWORD, matchesAny } from "../../config/mod.ts";
import type { V1Node, V1Secret } from "../../kube/mod.ts";
import { type Family, parseAddress, tryParseAddress } from "../../net/mod.ts";
import type { PeerSettings } from "./message.ts";
import { PASSIVE, type PeerOptions, peerOptionsOf } from "./peer-options.ts";

/** A peer of this node: how to hold its session, or what it waits for. */
export type NodePeer =
  | { readonly name: string; readonly namespace: string; readonly settings: PeerSettings }
  | { readonly name: string; readonly namespace: string; readonly waits: string };

/** What a peer's settings are made of besides the peer. */
export interface PeerContext {
  readonly node: V1Node;
  readonly bfdProfiles: readonly BfdSettings[];
  readonly secret: (name: string, namespace: string) => V1Secret | undefined;
  /** The object a peer was read from, for its annotations. */
  readonly object: (peer: BgpPeer) => BGPPeer | undefined;
  /** Peers may connect to this node. */
  readonly listening: boolean;
  /** See OpenSettings. */
  readonly forwardingPreserved: boolean;
}

/** Seconds; RFC 4271 section 10 suggests a hold time of 90. */
const DEFAULT_HOLD_TIME = 90;
/** Seconds before another attempt, at most: an agent that comes back should not wait for its sessions. */
const DEFAULT_CONNECT_TIME = 10;
/** Seconds a peer keeps the routes while the agent restarts: FRR's own default. */
const RESTART_TIME = 120;
/** What a peer that heeds GTSM sends; a neighbour's packets come with it. */
const SENT_TTL = 255;
const NOT_LISTENING = `annotation ${PASSIVE} has the node wait for the peer, and its agent takes no connections; start it with --bgp-listen-port 179, or remove the annotation`;

/** The peers of a node, by name: those whose selectors choose it. */
export function nodePeersOf(peers: readonly BgpPeer[], context: PeerContext): NodePeer[] {
  const labels = context.node.metadata?.labels;
  const isMeant = ({ nodeSelectors }: BgpPeer) => nodeSelectors.length === 0 || matchesAny(nodeSelectors, labels);
  return peers.filter(isMeant).map((peer) => nodePeerOf(peer, context));
}

/** Why a peer can't have its session, as a mistake of the configuration. */
export function waitOf(peer: NodePeer): string[] {
  return "waits" in peer ? [`BGPPeer ${peer.namespace}/${peer.name}: ${peer.waits}`] : [];
}

function nodePeerOf(peer: BgpPeer, context: PeerContext): NodePeer {
  const { name, namespace, passwordSecret } = peer;
  const { options, problems } = peerOptionsOf(context.object(peer)?.metadata?.annotations ?? {});
  // A session that is less guarded than what was meant would be worse than none.
  if (problems.length > 0) return { name, namespace, waits: problems.join("; ") };
  if (options.passive && !context.listening) return { name, namespace, waits: NOT_LISTENING };
  const secret = passwordSecret === undefined ? undefined : readSecret(passwordSecret, context);
  if (secret !== undefined && "problem" in secret) return { name, namespace, waits: secret.problem };
  return { name, namespace, settings: settingsOf(peer, options, secret?.password ?? peer.password, context) };
}

function settingsOf(
  peer: BgpPeer,
  { mostHops, passive }: PeerOptions,
  password: string | undefined,
  { node, bfdProfiles, forwardingPreserved }: PeerContext,
): PeerSettings {
  const bfd = bfdProfiles.find((profile) => profile.name === peer.bfdProfile);
  const { sourceAddress, keepaliveSeconds } = peer;
  return {
    name: peer.name,
    asn: peer.localAsn ?? peer.myAsn,
    peerAsn: peer.peerAsn,
    routerId: routerIdOf(peer, node),
    holdTimeSeconds: peer.holdTimeSeconds ?? DEFAULT_HOLD_TIME,
    ...(keepaliveSeconds === undefined || keepaliveSeconds === 0 ? {} : { keepaliveSeconds }),
    families: familiesOf(peer),
    ...(peer.gracefulRestart ? { restartSeconds: RESTART_TIME } : {}),
    forwardingPreserved,
    passive,
    connectRetry: (peer.connectSeconds ?? DEFAULT_CONNECT_TIME) * 1000,
    target: peer.target,
    port: peer.port,
    ...(sourceAddress && { sourceAddress }),
    vrf: peer.vrf,
    ...(password === undefined ? {} : { password }),
    multiHop: peer.multiHop,
    ...(mostHops === undefined ? {} : { minimumTtl: SENT_TTL + 1 - mostHops }),
    ...(bfd && { bfd: bfdTimesOf(bfd) }),
  };
}

/** MetalLB's words for what is wrong. */
function readSecret(
  { name, namespace }: { readonly name: string; readonly namespace: string },
  { secret }: PeerContext,
): { readonly password: string } | { readonly problem: string } {
  const found = secret(name, namespace);
  if (found === undefined) return { problem: `the Secret ${namespace}/${name} with the password is not there` };
  if (found.type !== "kubernetes.io/basic-auth") {
    return { problem: `the Secret ${namespace}/${name} is of type ${found.type}, want kubernetes.io/basic-auth` };
  }
  const encoded = found.data?.password;
  if (encoded === undefined) return { problem: `the Secret ${namespace}/${name} has no key "password"` };
  const password = Buffer.from(encoded, "base64").toString("utf8");
  const octets = Buffer.byteLength(password);
  if (octets > 0 && octets <= LONGEST_PASSWORD) return { password };
  const limits = `a TCP-MD5 key has 1 to ${LONGEST_PASSWORD}; write such a one there and at the router`;
  return { problem: `the key "password" of the Secret ${namespace}/${name} is ${octets} octets long; ${limits}` };
}

/** A session carries the family it runs over; both where asked for, and where no address says which it is. */
function familiesOf({ target, dualStack }: BgpPeer): readonly Family[] {
  return dualStack || target.kind === "interface" ? ["ipv4", "ipv6"] : [target.address.family];
}

/** The number asked for, else the node's IPv4 address, else one made from its name, which no two nodes share by luck. */
function routerIdOf({ routerId }: BgpPeer, { metadata, status }: V1Node): number {
  const internal = (status?.addresses ?? [])
    .filter(({ type }) => type === "InternalIP")
    .flatMap(({ address }) => tryParseAddress(address) ?? []);
  const chosen = routerId ?? internal.find(({ family }) => family === "ipv4");
  if (chosen?.family === "ipv4") return Number(chosen.value);
  const hash = createHash("sha256")
    .update(metadata?.name ?? "")
    .digest();
  return hash.readUInt32BE(0) || Number(parseAddress("0.0.0.1").value);
}

function bfdTimesOf(bfd: BfdSettings): NonNullable<PeerSettings["bfd"]> {
  const { transmitInterval, receiveInterval, detectMultiplier, echoInterval, passiveMode, minimumTtl } = bfd;
  return { transmitInterval, receiveInterval, detectMultiplier, echoInterval, passive: passiveMode, minimumTtl };
}
