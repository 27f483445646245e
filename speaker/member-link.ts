import type { Claims } from "./claim.ts";
import type { ClaimsPart, Heartbeat, Phase, Stamp } from "./heartbeat.ts";
import type { MemberTimes } from "./member-times.ts";
import { NO_STATIONS, type Stations } from "./station.ts";

/**
 * How far another member can be reached:
 * - alive: we hear it, and it hears us
 * - returning: we hear it again after a silence, and it has not shown yet that it hears us; what comes first may be old
 * - deaf: we hear it for longer than that, but it does not hear us
 * - restarting: its program is gone or not ready yet, but its node lives and it held addresses a moment ago
 * - lost: nothing is heard
 */
export type Reach = "alive" | "returning" | "deaf" | "restarting" | "lost";

/** Our conversation with one other member. */
export interface MemberLink {
  readonly name: string;
  /** Our next packet to it is number sent + 1. */
  sent: number;
  sentAt: number;
  /** When we sent the last packets, by sequence number modulo its length. */
  readonly sentTimes: { sequence: number; at: number }[];
  /** Its latest packet; epoch 0 before the first. */
  stamp: Stamp;
  phase: Phase;
  heardAt: number;
  /** When it was heard first after a silence. */
  heardSince: number;
  /** When we sent the latest packet of ours that it has heard. */
  heardUsAt: number;
  /** Edition of its claims that it last named, and the one that we have whole. */
  namedEdition: number;
  edition: number;
  claims: Claims;
  /** Those it told last: one that has just started knows none of its links yet. */
  stations: Stations;
  partial: { readonly edition: number; readonly parts: Map<number, ClaimsPart> } | undefined;
  /** What it held before its program was restarted, and until when that is kept for it. */
  reserved: Claims;
  reservedUntil: number;
  /** Edition of our claims that it has. */
  acknowledged: number;
  refusedAt: number;
}

const NEVER = Number.NEGATIVE_INFINITY;
export const NO_CLAIMS: Claims = new Map();
const NO_STAMP: Stamp = { epoch: 0n, sequence: 0 };

export function reachOf(link: MemberLink, times: MemberTimes, now: number): Reach {
  const { deadAfter, deafAfter, refusalMaxAge, restartGrace, pauseGrace } = times;
  if (link.phase === "left" || link.stamp.epoch === 0n) return "lost";
  if (link.phase === "pausing") {
    const lives = now - Math.max(link.heardAt, link.refusedAt) <= refusalMaxAge;
    return lives && now - link.heardAt <= pauseGrace ? "restarting" : "lost";
  }
  const refused = link.refusedAt > link.heardAt;
  if (!refused && now - link.heardAt <= deadAfter) {
    if (link.phase === "starting" && now < link.reservedUntil) return "restarting";
    if (now - link.heardUsAt <= deafAfter) return "alive";
    return now - link.heardSince <= deafAfter ? "returning" : "deaf";
  }
  const nodeLives = refused && now - link.refusedAt <= refusalMaxAge;
  return nodeLives && link.phase !== "leaving" && now - link.heardAt <= restartGrace ? "restarting" : "lost";
}

/** A moment ago the kernel of its node was there. */
export function kernelLives({ heardAt, refusedAt }: MemberLink, times: MemberTimes, now: number): boolean {
  const { deadAfter, refusalMaxAge, keptAfter } = times;
  const lived = refusedAt > heardAt ? refusedAt + refusalMaxAge : heardAt + deadAfter;
  return now <= lived + keptAfter;
}

/** Nothing more needs to be heard of it. */
export function isKnown(link: MemberLink, reach: Reach): boolean {
  if (link.refusedAt > link.heardAt || link.phase === "left" || link.phase === "pausing") return true;
  return reach !== "lost" && link.edition > 0 && link.edition === link.namedEdition;
}

/** Silent for longer than usual, or without a sign of having heard us, but not given up. */
export function isSuspect(link: MemberLink, times: MemberTimes, now: number): boolean {
  const { probeAfter, deadAfter, deafAfter, period } = times;
  const silent = now - link.heardAt;
  const deaf = now - link.heardUsAt;
  return (silent > probeAfter && silent <= deadAfter) || (deaf > probeAfter + period && deaf <= deafAfter);
}

/** @param sent Number of the last packet to it. */
export function newMemberLink(name: string, sent: number): MemberLink {
  return {
    name,
    sent,
    sentAt: NEVER,
    sentTimes: [],
    stamp: NO_STAMP,
    phase: "starting",
    heardAt: NEVER,
    heardSince: NEVER,
    heardUsAt: NEVER,
    namedEdition: 0,
    edition: 0,
    claims: NO_CLAIMS,
    stations: NO_STATIONS,
    partial: undefined,
    reserved: NO_CLAIMS,
    reservedUntil: NEVER,
    acknowledged: 0,
    refusedAt: NEVER,
  };
}

/** What it claims: of one that is restarting what it held, of a lost one nothing. */
export function claimsOf(link: MemberLink, reach: Reach): Claims {
  if (reach === "lost") return NO_CLAIMS;
  if (reach !== "restarting") return link.claims;
  if (link.phase === "starting") return link.reserved;
  return new Map([...link.claims].filter(([, claim]) => claim.stance === "holds"));
}

/** Puts the claims and stations that a heartbeat carries with those that came before. */
export function takeClaims(link: MemberLink, { edition, part }: Heartbeat): void {
  link.namedEdition = edition;
  if (part === undefined || edition === link.edition) return;
  if (link.partial?.edition !== edition) link.partial = { edition, parts: new Map() };
  link.partial.parts.set(part.index, part);
  if (link.partial.parts.size < part.count) return;
  const parts = [...link.partial.parts.values()];
  link.claims = new Map(parts.flatMap(({ claims }) => [...claims]));
  const stations = new Map(parts.flatMap((each) => [...each.stations]));
  if (stations.size > 0) link.stations = stations;
  link.edition = edition;
  link.partial = undefined;
}
