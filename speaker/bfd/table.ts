import type { Clock } from "../../core/mod.ts";
import { type Address, type BfdPacket, BfdState, printAddress, sameAddress } from "../../net/mod.ts";
import {
  type BfdSession,
  type BfdStatus,
  type BfdTimes,
  bfdPacketOf,
  bfdStateName,
  changeBfd,
  closeBfd,
  detectionTimeOf,
  expireBfd,
  newBfdSession,
  receiveBfd,
  transmitIntervalOf,
} from "./session.ts";

/** A session that is to be. */
export interface BfdPeer {
  readonly name: string;
  readonly remote: Address;
  /** Interface of a link-local address; "" for others. */
  readonly device: string;
  readonly local?: Address;
  /** The least TTL of its packets when it may be several hops away; undefined: it is on a network of this node. */
  readonly multiHopTtl?: number;
  readonly times: BfdTimes;
}

export interface BfdSender {
  send(packet: BfdPacket): void;
  close(): void;
}

export interface BfdTablePorts {
  readonly clock: Clock;
  /** 0 to 1. */
  readonly random: () => number;
  /** Not 0. */
  readonly discriminator: () => number;
  readonly openSender: (peer: BfdPeer) => BfdSender;
  /** A session that was up is not: the peer is gone, by what BFD can tell. */
  readonly onDown: (name: string) => void;
  readonly onChange: () => void;
  readonly onLog: (level: "info" | "warn", event: string, fields: object, message: string) => void;
}

interface Entry {
  readonly peer: BfdPeer;
  readonly sender: BfdSender;
  session: BfdSession;
  cancelTransmit: () => void;
  cancelDetect: () => void;
  ups: number;
  downs: number;
  sent: number;
  received: number;
  echoes: number;
}

/** Milliseconds a timer may be late; later, this thread was held up and packets may lie unread. */
const LATE = 5;

/** The BFD sessions of this node. Keeps their time; session.ts decides. */
export class BfdTable {
  readonly #ports: BfdTablePorts;
  readonly #entries = new Map<string, Entry>();

  constructor(ports: BfdTablePorts) {
    this.#ports = ports;
  }

  setPeers(peers: readonly BfdPeer[]): void {
    const wanted = new Map(peers.map((peer) => [peer.name, peer]));
    for (const [name, entry] of this.#entries) {
      const peer = wanted.get(name);
      if (peer === undefined || pathOf(peer) !== pathOf(entry.peer)) this.#close(name, entry);
      else if (!sameTimes(peer.times, entry.session.times)) {
        entry.session = changeBfd(entry.session, peer.times);
        this.#transmit(entry, false);
      }
    }
    for (const peer of peers) if (!this.#entries.has(peer.name)) this.#open(peer);
  }

  /** A packet from `from`; those of no session are dropped. RFC 5880 section 6.8.6. */
  receive(packet: BfdPacket, from: Address, device: string, multiHop: boolean): void {
    const entry = this.#find(packet, from, device, multiHop);
    if (entry === undefined) return;
    entry.received++;
    const before = entry.session;
    const { session, answer } = receiveBfd(before, packet, this.#ports.clock.now());
    this.#move(entry, session);
    if (answer) this.#send(entry, true);
    const faster = transmitIntervalOf(session) !== transmitIntervalOf(before);
    if (faster || session.state !== before.state) this.#transmit(entry, session.state !== before.state);
    if (before.heardAt === undefined || detectionTimeOf(session) < detectionTimeOf(before)) this.#watch(entry);
  }

  /** An echo packet from `from` was sent back. */
  noteEcho(from: Address, device: string): void {
    for (const entry of this.#entries.values()) if (isFrom(entry.peer, from, device)) entry.echoes++;
  }

  statusOf(name: string): BfdStatus | undefined {
    const entry = this.#entries.get(name);
    if (entry === undefined) return undefined;
    const { session, ups, downs, sent, received, echoes } = entry;
    return {
      state: bfdStateName(session.state),
      remoteState: bfdStateName(session.remoteState),
      diagnostic: session.diagnostic,
      transmitInterval: transmitIntervalOf(session) ?? 0,
      detectionTime: detectionTimeOf(session),
      ups,
      downs,
      sent,
      received,
      echoes,
    };
  }

  #open(peer: BfdPeer): void {
    const session = newBfdSession(peer.times, this.#freeDiscriminator());
    const sender = this.#ports.openSender(peer);
    const idle = () => {};
    const counts = { ups: 0, downs: 0, sent: 0, received: 0, echoes: 0 };
    const entry: Entry = { peer, sender, session, cancelTransmit: idle, cancelDetect: idle, ...counts };
    this.#entries.set(peer.name, entry);
    this.#transmit(entry, true);
  }

  #close(name: string, entry: Entry): void {
    entry.session = closeBfd(entry.session);
    this.#send(entry, false);
    entry.cancelTransmit();
    entry.cancelDetect();
    entry.sender.close();
    this.#entries.delete(name);
  }

  #freeDiscriminator(): number {
    const taken = new Set([...this.#entries.values()].map(({ session }) => session.discriminator));
    for (;;) {
      const number = this.#ports.discriminator();
      if (number !== 0 && !taken.has(number)) return number;
    }
  }

  #find(packet: BfdPacket, from: Address, device: string, multiHop: boolean): Entry | undefined {
    for (const entry of this.#entries.values()) {
      const { peer, session } = entry;
      if (!isFrom(peer, from, device) || (peer.multiHopTtl !== undefined) !== multiHop) continue;
      if (packet.yourDiscriminator === 0 || packet.yourDiscriminator === session.discriminator) return entry;
    }
    return undefined;
  }

  #move(entry: Entry, session: BfdSession): void {
    const before = entry.session;
    entry.session = session;
    if (before.state === session.state) return;
    const fields = { peer: entry.peer.name, address: printAddress(entry.peer.remote), was: bfdStateName(before.state) };
    if (session.state === BfdState.Up) {
      entry.ups++;
      this.#ports.onLog("info", "bfd.up", fields, "BFD session is up");
    }
    if (before.state === BfdState.Up) {
      entry.downs++;
      const { diagnostic, remoteState } = session;
      this.#ports.onLog("warn", "bfd.down", { ...fields, diagnostic }, "BFD session is down");
      // A peer that was told to stop BFD says nothing of its forwarding: RFC 5882 section 3.2.
      if (remoteState !== BfdState.AdminDown || session.heardAt === undefined) this.#ports.onDown(entry.peer.name);
    }
    this.#ports.onChange();
  }

  #send(entry: Entry, final: boolean): void {
    entry.sent++;
    entry.sender.send(bfdPacketOf(entry.session, final));
  }

  /** Sends at once, or when the interval that may have changed is over. */
  #transmit(entry: Entry, atOnce: boolean): void {
    entry.cancelTransmit();
    const interval = transmitIntervalOf(entry.session);
    if (interval === undefined) return;
    if (atOnce) this.#send(entry, false);
    // RFC 5880 section 6.8.7: 75 to 100 %, and at most 90 % where the first packet missed counts.
    const spread = entry.session.times.detectMultiplier === 1 ? 0.15 : 0.25;
    const pause = interval * (0.75 + spread * this.#ports.random());
    entry.cancelTransmit = this.#ports.clock.after(pause, () => this.#transmit(entry, true));
  }

  #watch(entry: Entry): void {
    entry.cancelDetect();
    const { heardAt } = entry.session;
    if (heardAt === undefined) return;
    const { clock } = this.#ports;
    const due = heardAt + detectionTimeOf(entry.session);
    const look = () => {
      const late = clock.now() - ((entry.session.heardAt ?? 0) + detectionTimeOf(entry.session));
      if (late < 0) this.#watch(entry);
      else if (late > LATE) entry.cancelDetect = clock.after(1, () => this.#detect(entry));
      else this.#detect(entry);
    };
    entry.cancelDetect = clock.after(Math.max(0, due - clock.now()), look);
  }

  #detect(entry: Entry): void {
    const session = expireBfd(entry.session, this.#ports.clock.now());
    if (session === entry.session) {
      this.#watch(entry);
      return;
    }
    this.#move(entry, session);
    this.#transmit(entry, true);
  }
}

function isFrom({ remote, device }: BfdPeer, from: Address, through: string): boolean {
  return sameAddress(remote, from) && device === through;
}

/** What a session can't change without being another one. */
function pathOf({ remote, device, local, multiHopTtl }: BfdPeer): string {
  return `${printAddress(remote)} ${device} ${local === undefined ? "" : printAddress(local)} ${multiHopTtl}`;
}

function sameTimes(a: BfdTimes, b: BfdTimes): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
