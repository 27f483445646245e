import {
  Afi,
  type AsnWidth,
  BGP_MESSAGE_LENGTH,
  type BgpCapability,
  BgpErrorCode,
  type BgpOpen,
  BgpRefusal,
  type Family,
  OpenError,
  SAFI_UNICAST,
} from "../../net/mod.ts";

/** What this side brings to a session. */
export interface OpenSettings {
  /** The number shown to the peer: 1 to 4294967295. */
  readonly asn: number;
  /** "internal", "external": any number equal to, or other than, `asn`. */
  readonly peerAsn: number | "internal" | "external";
  /** A number of 32 bits. */
  readonly routerId: number;
  /** Seconds, 0 or at least 3. */
  readonly holdTimeSeconds: number;
  /** Seconds; undefined: a third of the hold time agreed on. */
  readonly keepaliveSeconds?: number;
  readonly families: readonly Family[];
  /** Seconds the peer keeps our routes while this program restarts; undefined: it does not. RFC 4724. */
  readonly restartSeconds?: number;
  /** Since an earlier run of this program the kernel has forwarded by its rules: false after a boot. */
  readonly forwardingPreserved: boolean;
}

/** What both OPENs together make of a session. Times in milliseconds. */
export interface Agreement extends AsnWidth {
  readonly peerAsn: number;
  readonly peerRouterId: number;
  /** Both in one autonomous system: iBGP. */
  readonly internal: boolean;
  readonly holdTime: number;
  readonly keepaliveTime: number;
  readonly families: readonly Family[];
  /** Octets of a message we may send. */
  readonly longestMessage: number;
  readonly enhancedRefresh: boolean;
  /** IPv4 routes may have IPv6 next hops. RFC 8950. */
  readonly extendedNextHop: boolean;
  /** The peer keeps our routes when the session breaks. */
  readonly keepsRoutes: boolean;
  /** How we keep its routes when the session breaks; absent: we do not. */
  readonly peerRestart?: PeerRestart;
}

/** What a peer says of its own restarts. RFC 4724 section 3. */
export interface PeerRestart {
  /** Milliseconds it may take. */
  readonly time: number;
  /** A NOTIFICATION ends the session no more than a lost connection does, but for a hard reset. RFC 8538. */
  readonly notification: boolean;
  /** Families whose routes it goes on forwarding by. */
  readonly preserved: readonly Family[];
}

const EXTENDED_NEXT_HOP = { afi: Afi.ipv4, safi: SAFI_UNICAST, nextHopAfi: Afi.ipv6 } as const;

/**
 * Our OPEN.
 * @param restarted True: first contact after this program started, whose routes the peer may hold still.
 */
export function openOf(settings: OpenSettings, restarted: boolean): BgpOpen {
  const { asn, routerId, families, restartSeconds } = settings;
  const capabilities: BgpCapability[] = [
    ...families.map((family) => ({ kind: "multiprotocol" as const, afi: Afi[family], safi: SAFI_UNICAST })),
    { kind: "routeRefresh" },
    { kind: "enhancedRouteRefresh" },
    { kind: "extendedMessage" },
    { kind: "fourOctetAsn", asn },
  ];
  if (families.includes("ipv4")) capabilities.push({ kind: "extendedNextHop", entries: [EXTENDED_NEXT_HOP] });
  if (restartSeconds !== undefined) {
    // A peer that was told all routes by this run has lost the session only.
    const preserved = !restarted || settings.forwardingPreserved;
    capabilities.push({
      kind: "gracefulRestart",
      restarted,
      notification: true,
      restartTime: restartSeconds,
      families: families.map((family) => ({ afi: Afi[family], safi: SAFI_UNICAST, preserved })),
    });
  }
  return { asn, holdTime: settings.holdTimeSeconds, routerId, capabilities };
}

/** @throws {BgpRefusal} OPEN Message Error when no session can come of it: RFC 4271 section 6.2, RFC 5492 section 5. */
export function agreeOn(settings: OpenSettings, theirs: BgpOpen): Agreement {
  checkPeer(settings, theirs);
  const has = (kind: BgpCapability["kind"]) => theirs.capabilities.some((capability) => capability.kind === kind);
  const offered = theirs.capabilities.filter((capability) => capability.kind === "multiprotocol");
  // A speaker without the capability of RFC 4760 sends and takes IPv4.
  const isOffered = (family: Family) =>
    offered.length === 0
      ? family === "ipv4"
      : offered.some(({ afi, safi }) => afi === Afi[family] && safi === SAFI_UNICAST);
  const families = settings.families.filter(isOffered);
  if (families.length === 0) {
    const wanted = settings.families.flatMap((family) => [1, 4, 0, Afi[family], 0, SAFI_UNICAST]);
    const message = `the peer does not take ${settings.families.join(" or ")} routes`;
    throw new BgpRefusal(message, BgpErrorCode.Open, OpenError.Capability, Uint8Array.from(wanted));
  }
  const holdTime = Math.min(settings.holdTimeSeconds, theirs.holdTime) * 1000;
  const ownKeepalive = (settings.keepaliveSeconds ?? Number.POSITIVE_INFINITY) * 1000;
  const restart =
    settings.restartSeconds === undefined
      ? undefined
      : theirs.capabilities.find((capability) => capability.kind === "gracefulRestart");
  return {
    peerAsn: theirs.asn,
    peerRouterId: theirs.routerId,
    internal: theirs.asn === settings.asn,
    holdTime,
    keepaliveTime: Math.max(1000, Math.min(ownKeepalive, holdTime / 3)),
    families,
    fourOctetAsn: has("fourOctetAsn"),
    longestMessage: has("extendedMessage") ? BGP_MESSAGE_LENGTH.extended : BGP_MESSAGE_LENGTH.usual,
    enhancedRefresh: has("enhancedRouteRefresh"),
    extendedNextHop: theirs.capabilities.some(
      (capability) => capability.kind === "extendedNextHop" && capability.entries.some(isOurs),
    ),
    keepsRoutes: restart !== undefined,
    ...(restart && { peerRestart: peerRestartOf(restart, families) }),
  };
}

function peerRestartOf(
  { restartTime, notification, families: kept }: Extract<BgpCapability, { kind: "gracefulRestart" }>,
  families: readonly Family[],
): PeerRestart {
  const isKept = (family: Family) =>
    kept.some(({ afi, safi, preserved }) => afi === Afi[family] && safi === SAFI_UNICAST && preserved);
  return { time: restartTime * 1000, notification, preserved: families.filter(isKept) };
}

function isOurs({ afi, safi, nextHopAfi }: { afi: number; safi: number; nextHopAfi: number }): boolean {
  const { afi: a, safi: s, nextHopAfi: n } = EXTENDED_NEXT_HOP;
  return afi === a && safi === s && nextHopAfi === n;
}

function checkPeer({ asn, peerAsn, routerId }: OpenSettings, theirs: BgpOpen): void {
  const internal = theirs.asn === asn;
  const expected = peerAsn === "internal" ? internal : peerAsn === "external" ? !internal : theirs.asn === peerAsn;
  if (!expected) {
    const wanted = typeof peerAsn === "number" ? `AS ${peerAsn}` : `an ${peerAsn} AS (ours is ${asn})`;
    throw new BgpRefusal(`the peer is in AS ${theirs.asn}, want ${wanted}`, BgpErrorCode.Open, OpenError.PeerAs);
  }
  // RFC 6286 section 2.3: only inside one AS the identifier has to be another.
  if (internal && theirs.routerId === routerId) {
    throw new BgpRefusal("the peer has our router ID", BgpErrorCode.Open, OpenError.Identifier);
  }
}

/** Who began a connection. */
export type Origin = "dialed" | "accepted";

/**
 * Which of two connections with the same peer stays: the one begun by the side with the higher identifier, and of equal
 * identifiers the one with the higher AS number. RFC 4271 section 6.8, RFC 6286 section 2.3.
 */
export function survivor(ours: Pick<BgpOpen, "routerId" | "asn">, theirs: Pick<BgpOpen, "routerId" | "asn">): Origin {
  const [mine, other] = ours.routerId === theirs.routerId ? [ours.asn, theirs.asn] : [ours.routerId, theirs.routerId];
  return mine > other ? "dialed" : "accepted";
}
