import type { Clock } from "../../core/mod.ts";
import {
  BgpFramer,
  type BgpMessage,
  type BgpNotification,
  type BgpOpen,
  BgpRefusal,
  decodeBgpMessage,
  encodeBgpMessage,
  printBgpNotification,
} from "../../net/mod.ts";
import { type Agreement, agreeOn, type OpenSettings, type Origin, openOf } from "./agreement.ts";
import { type FsmAction, type FsmEvent, type FsmSettings, type FsmTimer, IDLE, type Phase, step } from "./fsm.ts";
import type { Counts } from "./message.ts";
import type { Transport, TransportEvents } from "./transport.ts";

/** Starts to connect; `onDone` gets the connection, or why there is none. */
export type Dial = (
  events: TransportEvents,
  onDone: (outcome: Transport | { readonly failed: string }) => void,
) => { cancel(): void };

export interface ConnectionPorts {
  readonly clock: Clock;
  /** 0 to 1: keeps sessions from acting in step. RFC 4271 section 10. */
  readonly random: () => number;
  readonly dial: Dial;
  readonly counts: Counts;
}

/** How a connection ended. */
export interface ConnectionEnd {
  readonly why: string;
  /** What ended it, from whichever side. */
  readonly notification?: BgpNotification;
  readonly wasUp: boolean;
}

/** What the owner of a connection is told. */
export interface ConnectionOwner {
  /** True: this program has not yet told the peer all its routes since it started. */
  restarted(): boolean;
  /** Both OPENs are there: the time to see whether the peer has another connection. */
  onOpen(connection: Connection): void;
  onUp(connection: Connection): void;
  onMessage(message: Extract<BgpMessage, { type: "update" | "routeRefresh" }>): void;
  onDrain(): void;
  onDown(connection: Connection, end: ConnectionEnd): void;
  onPhase(): void;
}

/** Milliseconds in which a peer that takes nothing is given up, at the least. RFC 9687 section 3. */
const LEAST_SEND_HOLD = 480_000;
/** Milliseconds given to what lies in the receive buffer of a thread that was held up. */
const GRACE = 100;

/** One connection with a peer: its state machine, with the clock and the socket that machine wants. Decides nothing. */
export class Connection {
  readonly origin: Origin;
  readonly #settings: OpenSettings & FsmSettings;
  readonly #ports: ConnectionPorts;
  readonly #owner: ConnectionOwner;
  readonly #timers = new Map<FsmTimer, { readonly due: number; readonly cancel: () => void }>();
  #state = IDLE;
  #framer = new BgpFramer();
  #transport: Transport | undefined;
  #dialing: { cancel(): void } | undefined;
  #agreement: Agreement | undefined;
  /** Since when the peer has taken nothing of what waits for it. */
  #stuckSince: number | undefined;

  constructor(origin: Origin, settings: OpenSettings & FsmSettings, ports: ConnectionPorts, owner: ConnectionOwner) {
    this.origin = origin;
    this.#settings = settings;
    this.#ports = ports;
    this.#owner = owner;
  }

  get phase(): Phase {
    return this.#state.phase;
  }

  /** Once the peer's OPEN was good. */
  get agreement(): Agreement | undefined {
    return this.#agreement;
  }

  get transport(): Transport | undefined {
    return this.#transport;
  }

  /** Gives the machine a connection that the peer made. */
  accept(open: (events: TransportEvents) => Transport): void {
    this.apply({ type: "start" });
    this.#transport = open(this.#events());
    this.apply({ type: "connected" });
  }

  apply(event: FsmEvent): void {
    const before = this.#state.phase;
    const { state, actions } = step(this.#state, event, this.#settings);
    this.#state = state;
    for (const action of actions) this.#act(action, before);
    if (state.phase !== before) this.#owner.onPhase();
  }

  send(message: BgpMessage): void {
    const { counts } = this.#ports;
    if (message.type === "open") counts.opensSent++;
    if (message.type === "keepalive") counts.keepalivesSent++;
    if (message.type === "notification") counts.notificationsSent++;
    if (message.type === "routeRefresh") counts.refreshesSent++;
    if (message.type === "update") counts.updatesSent++;
    this.sendBytes(encodeBgpMessage(message, this.#agreement ?? { fourOctetAsn: true }));
  }

  /** A whole message. */
  sendBytes(bytes: Uint8Array): void {
    this.#ports.counts.sent++;
    this.#transport?.send(bytes);
    if ((this.#transport?.backlog ?? 0) > 0) this.#stuckSince ??= this.#ports.clock.now();
  }

  #act(action: FsmAction, before: Phase): void {
    switch (action.type) {
      case "dial":
        this.#dialing = this.#ports.dial(this.#events(), (outcome) => this.#dialed(outcome));
        return;
      case "hangUp":
        this.#hangUp();
        return;
      case "sendOpen":
        this.send({ type: "open", open: openOf(this.#settings, this.#owner.restarted()) });
        return;
      case "sendKeepalive":
        this.#keepalive();
        return;
      case "notify":
        this.send({ type: "notification", notification: action.notification });
        return;
      case "startTimer":
        this.#startTimer(action.timer, action.after);
        return;
      case "stopTimer":
        this.#timers.get(action.timer)?.cancel();
        this.#timers.delete(action.timer);
        return;
      case "up":
        this.#owner.onUp(this);
        return;
      case "down":
        this.#owner.onDown(this, { ...action, wasUp: before === "established" });
    }
  }

  #hangUp(): void {
    this.#dialing?.cancel();
    this.#dialing = undefined;
    this.#transport?.close();
    this.#transport = undefined;
    this.#agreement = undefined;
    this.#framer = new BgpFramer();
    this.#stuckSince = undefined;
  }

  #dialed(outcome: Transport | { readonly failed: string }): void {
    this.#dialing = undefined;
    if ("failed" in outcome) {
      this.apply({ type: "disconnected", why: outcome.failed });
      return;
    }
    this.#transport = outcome;
    this.apply({ type: "connected" });
  }

  /** The machine may have moved on to another connection: each is told of only while it is the present one. */
  #events(): TransportEvents {
    const present = () => this.#framer === framer;
    const framer = this.#framer;
    return {
      onData: (bytes) => present() && this.#read(bytes),
      onDrain: () => {
        if (!present()) return;
        this.#stuckSince = undefined;
        this.#owner.onDrain();
      },
      onClosed: (why) => present() && this.apply({ type: "disconnected", why }),
    };
  }

  #read(bytes: Uint8Array): void {
    const framer = this.#framer;
    try {
      framer.push(bytes);
      for (let each = framer.next(); each !== undefined; each = framer.next()) {
        this.#ports.counts.received++;
        this.#hear(decodeBgpMessage(each, this.#agreement ?? { fourOctetAsn: true }));
        if (this.#framer !== framer) return; // what it heard ended the connection
      }
    } catch (error) {
      if (!(error instanceof BgpRefusal)) throw error;
      const { notification } = error;
      const why = `${printBgpNotification(notification)}: ${error.message}`;
      this.apply({ type: "refused", notification, why });
    }
  }

  #hear(message: BgpMessage): void {
    const { counts } = this.#ports;
    switch (message.type) {
      case "open":
        counts.opensReceived++;
        this.#hearOpen(message.open);
        break;
      case "keepalive":
        counts.keepalivesReceived++;
        this.apply({ type: "keepalive" });
        break;
      case "notification":
        counts.notificationsReceived++;
        this.apply({ type: "notified", notification: message.notification });
        break;
      case "update":
      case "routeRefresh":
        if (message.type === "update") counts.updatesReceived++;
        else counts.refreshesReceived++;
        this.apply({ type: "update" });
        if (this.phase === "established") this.#owner.onMessage(message);
    }
  }

  #hearOpen(open: BgpOpen): void {
    if (this.phase !== "openSent") {
      this.apply({ type: "open", holdTime: 0, keepaliveTime: 0 });
      return;
    }
    const agreement = agreeOn(this.#settings, open);
    this.#agreement = agreement;
    this.#framer.longest = agreement.longestMessage;
    this.apply({ type: "open", holdTime: agreement.holdTime, keepaliveTime: agreement.keepaliveTime });
    this.#owner.onOpen(this);
  }

  /** Does not pile up keepalives for a peer that takes nothing, and gives it up in the end. */
  #keepalive(): void {
    const now = this.#ports.clock.now();
    const patience = Math.max(LEAST_SEND_HOLD, 2 * this.#state.holdTime);
    if (this.#stuckSince === undefined) this.send({ type: "keepalive" });
    else if (now - this.#stuckSince > patience) this.apply({ type: "stuck" });
  }

  /** A hold timer that starts anew with every message only notes when it will be due; the rest of it sleeps on. */
  #startTimer(timer: FsmTimer, after: number): void {
    const { clock } = this.#ports;
    const due = clock.now() + (timer === "hold" || timer === "stable" ? after : this.#jittered(after));
    const running = this.#timers.get(timer);
    if (running !== undefined && running.due <= due && timer === "hold") {
      this.#timers.set(timer, { ...running, due });
      return;
    }
    running?.cancel();
    this.#timers.set(timer, { due, cancel: clock.after(due - clock.now(), () => this.#expire(timer)) });
  }

  #jittered(after: number): number {
    return after * (0.75 + 0.25 * this.#ports.random());
  }

  #expire(timer: FsmTimer): void {
    const { clock } = this.#ports;
    const running = this.#timers.get(timer);
    if (running === undefined) return;
    const left = running.due - clock.now();
    const wait = left > 0 ? left : timer === "hold" && left < -GRACE ? GRACE : 0;
    if (wait > 0) {
      // Heard of meanwhile, or this thread was held up and the peer's messages lie unread.
      const due = Math.max(running.due, clock.now() + wait);
      this.#timers.set(timer, { due, cancel: clock.after(wait, () => this.#expire(timer)) });
      return;
    }
    this.#timers.delete(timer);
    this.apply({ type: "expired", timer });
  }
}
