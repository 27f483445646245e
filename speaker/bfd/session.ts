import { BfdDiagnostic, type BfdPacket, BfdState } from "../../net/mod.ts";

/** What a session is to do. Times are milliseconds. */
export interface BfdTimes {
  readonly transmitInterval: number;
  readonly receiveInterval: number;
  readonly detectMultiplier: number;
  /** How fast the peer may send echo packets; 0: not at all. */
  readonly echoInterval: number;
  /** True: says nothing before the peer does. */
  readonly passive: boolean;
}

/** How a session stands, for people. */
export interface BfdStatus {
  readonly state: "adminDown" | "down" | "init" | "up";
  readonly remoteState: BfdStatus["state"];
  readonly diagnostic: number;
  /** Milliseconds: how often this node sends, and after how long without a packet the peer is gone. */
  readonly transmitInterval: number;
  readonly detectionTime: number;
  readonly ups: number;
  readonly downs: number;
  readonly sent: number;
  readonly received: number;
  /** Echo packets of the peer that were sent back. */
  readonly echoes: number;
}

/** A session without a socket or a clock. The names are those of RFC 5880 section 6.8.1; times are milliseconds. */
export interface BfdSession {
  readonly times: BfdTimes;
  /** Times in force before the peer has answered our poll: RFC 5880 section 6.8.3. */
  readonly before: Pick<BfdTimes, "transmitInterval" | "receiveInterval">;
  readonly discriminator: number;
  readonly state: BfdState;
  readonly diagnostic: number;
  readonly remoteState: BfdState;
  readonly remoteDiscriminator: number;
  readonly remoteMinRx: number;
  readonly remoteMinTx: number;
  readonly remoteMultiplier: number;
  readonly remoteDemand: boolean;
  /** True: our packets ask for an answer until one comes. */
  readonly polling: boolean;
  /** When the peer was last heard; undefined: not within the detection time. */
  readonly heardAt: number | undefined;
}

/** A session that is not up sends no faster than this, in milliseconds: RFC 5880 section 6.8.3. */
const SLOWLY = 1000;

/** @param discriminator Random, not 0, unlike that of any other session of this node. */
export function newBfdSession(times: BfdTimes, discriminator: number): BfdSession {
  return {
    times,
    before: times,
    discriminator,
    state: BfdState.Down,
    diagnostic: BfdDiagnostic.None,
    remoteState: BfdState.Down,
    remoteDiscriminator: 0,
    remoteMinRx: 0.001, // RFC 5880 section 6.8.1: 1 microsecond
    remoteMinTx: 0,
    remoteMultiplier: 0,
    remoteDemand: false,
    polling: false,
    heardAt: undefined,
  };
}

/** Takes a packet meant for this session. `answer`: it wants an answer at once. */
export function receiveBfd(
  session: BfdSession,
  packet: BfdPacket,
  now: number,
): { session: BfdSession; answer: boolean } {
  const finished = packet.final && session.polling;
  const heard: BfdSession = {
    ...session,
    remoteDiscriminator: packet.myDiscriminator,
    remoteState: packet.state,
    remoteDemand: packet.demand,
    remoteMinRx: packet.requiredMinRx / 1000,
    remoteMinTx: packet.desiredMinTx / 1000,
    remoteMultiplier: packet.multiplier,
    polling: session.polling && !finished,
    before: finished ? session.times : session.before,
    heardAt: now,
  };
  return { session: transition(heard, packet.state), answer: packet.poll };
}

/** RFC 5880 section 6.8.6, the end. */
function transition(session: BfdSession, remote: BfdState): BfdSession {
  const { state } = session;
  if (state === BfdState.AdminDown) return session;
  if (remote === BfdState.AdminDown) {
    return state === BfdState.Down
      ? session
      : { ...session, state: BfdState.Down, diagnostic: BfdDiagnostic.NeighborDown };
  }
  if (state === BfdState.Down) {
    if (remote === BfdState.Down) return { ...session, state: BfdState.Init };
    return remote === BfdState.Init ? goUp(session) : session;
  }
  if (state === BfdState.Init) return remote === BfdState.Init || remote === BfdState.Up ? goUp(session) : session;
  if (remote !== BfdState.Down) return session;
  return { ...session, state: BfdState.Down, diagnostic: BfdDiagnostic.NeighborDown };
}

/** From now on packets come faster, which the peer is asked to confirm. */
function goUp(session: BfdSession): BfdSession {
  return { ...session, state: BfdState.Up, diagnostic: BfdDiagnostic.None, polling: true };
}

/** The detection time is over if it is `now`: a peer not heard of is gone. RFC 5880 section 6.8.4. */
export function expireBfd(session: BfdSession, now: number): BfdSession {
  if (session.heardAt === undefined || now < session.heardAt + detectionTimeOf(session)) return session;
  const forgotten = { ...session, heardAt: undefined, remoteDiscriminator: 0, polling: false };
  if (session.state !== BfdState.Up && session.state !== BfdState.Init) return forgotten;
  return { ...forgotten, state: BfdState.Down, diagnostic: BfdDiagnostic.TimeExpired };
}

/** The session is being taken away, which is no reason for the peer to call anything off. */
export function closeBfd(session: BfdSession): BfdSession {
  return { ...session, state: BfdState.AdminDown, diagnostic: BfdDiagnostic.AdminDown, polling: false };
}

/** Takes other times; the peer is asked to confirm them. */
export function changeBfd(session: BfdSession, times: BfdTimes): BfdSession {
  return { ...session, times, before: session.times, polling: session.state === BfdState.Up };
}

/** Milliseconds between packets before jitter; undefined: none are to be sent. RFC 5880 section 6.8.7. */
export function transmitIntervalOf(session: BfdSession): number | undefined {
  const { times, before, polling, remoteMinRx, remoteDiscriminator } = session;
  if (times.passive && remoteDiscriminator === 0) return undefined;
  if (remoteMinRx === 0) return undefined;
  const demanded = session.remoteDemand && session.state === BfdState.Up && session.remoteState === BfdState.Up;
  if (demanded && !polling) return undefined;
  // A longer interval waits for the peer's consent; a shorter one need not.
  const own = polling ? Math.min(times.transmitInterval, before.transmitInterval) : times.transmitInterval;
  return Math.max(session.state === BfdState.Up ? own : Math.max(SLOWLY, own), remoteMinRx);
}

/** RFC 5880 section 6.8.4. */
export function detectionTimeOf(session: BfdSession): number {
  const { times, before, polling, remoteMultiplier, remoteMinTx } = session;
  const own = polling ? Math.max(times.receiveInterval, before.receiveInterval) : times.receiveInterval;
  return remoteMultiplier * Math.max(own, remoteMinTx);
}

/** What to send now. @param final It answers a poll. */
export function bfdPacketOf(session: BfdSession, final: boolean): BfdPacket {
  const { times, state } = session;
  const transmit = state === BfdState.Up ? times.transmitInterval : Math.max(SLOWLY, times.transmitInterval);
  return {
    diagnostic: session.diagnostic,
    state,
    poll: session.polling && !final,
    final,
    independent: false,
    demand: false,
    multiplier: times.detectMultiplier,
    myDiscriminator: session.discriminator,
    yourDiscriminator: session.remoteDiscriminator,
    desiredMinTx: transmit * 1000,
    requiredMinRx: times.receiveInterval * 1000,
    requiredMinEchoRx: times.echoInterval * 1000,
  };
}

const STATE_NAMES = ["adminDown", "down", "init", "up"] as const;

export function bfdStateName(state: BfdState): BfdStatus["state"] {
  return STATE_NAMES[state];
}
