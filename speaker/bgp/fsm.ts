import {
  BgpErrorCode,
  type BgpNotification,
  CeaseError,
  NO_DATA,
  printBgpNotification,
  StateMachineError,
} from "../../net/mod.ts";

/** The states of RFC 4271 section 8.2.2. Each connection has a machine of its own, as section 8.2.1 has it. */
export type Phase = "idle" | "connect" | "active" | "openSent" | "openConfirm" | "established";

export interface FsmState {
  readonly phase: Phase;
  /** The ConnectRetryCounter: failures since the session last was up for a while. */
  readonly failures: number;
  /** As agreed on, in milliseconds; 0: no keepalives. */
  readonly holdTime: number;
  readonly keepaliveTime: number;
}

export const IDLE: FsmState = { phase: "idle", failures: 0, holdTime: 0, keepaliveTime: 0 };

/** Times in milliseconds. */
export interface FsmSettings {
  /** True: waits for the peer to connect. */
  readonly passive: boolean;
  /** Longest wait between two attempts, and for one to succeed. */
  readonly connectRetry: number;
}

export type FsmTimer = "connectRetry" | "hold" | "keepalive" | "idleHold" | "stable";

/** What happened. The numbers of RFC 4271 section 8.1 are in the comments. */
export type FsmEvent =
  /** 1, 3 to 7, and 13: the end of the time in which a peer that failed is left alone. */
  | { readonly type: "start" }
  /** 2 and 8; the notification tells the peer why. */
  | { readonly type: "stop"; readonly notification?: BgpNotification }
  /** 14, 16, 17 */
  | { readonly type: "connected" }
  /** 18 */
  | { readonly type: "disconnected"; readonly why: string }
  | { readonly type: "expired"; readonly timer: FsmTimer }
  /** RFC 9687: the peer takes nothing from us. */
  | { readonly type: "stuck" }
  /** 19: a good OPEN, with what follows from it. Milliseconds. */
  | { readonly type: "open"; readonly holdTime: number; readonly keepaliveTime: number }
  /** 23: this connection gives way to the other one of the same peer. */
  | { readonly type: "collided" }
  /** 24, 25 */
  | { readonly type: "notified"; readonly notification: BgpNotification }
  /** 26 */
  | { readonly type: "keepalive" }
  /** 27; also a ROUTE-REFRESH */
  | { readonly type: "update" }
  /** 21, 22, 28: a message that breaks the protocol. */
  | { readonly type: "refused"; readonly notification: BgpNotification; readonly why: string }
  /** RFC 5882 section 4.3, RFC 9384. */
  | { readonly type: "bfdDown" };

export type FsmAction =
  | { readonly type: "dial" }
  | { readonly type: "hangUp" }
  | { readonly type: "sendOpen" }
  | { readonly type: "sendKeepalive" }
  | { readonly type: "notify"; readonly notification: BgpNotification }
  /** Milliseconds; runs anew when it runs already. */
  | { readonly type: "startTimer"; readonly timer: FsmTimer; readonly after: number }
  | { readonly type: "stopTimer"; readonly timer: FsmTimer }
  | { readonly type: "up" }
  /** A session or an attempt ended, and why; with the NOTIFICATION that ended it, from whichever side. */
  | { readonly type: "down"; readonly why: string; readonly notification?: BgpNotification };

export interface FsmStep {
  readonly state: FsmState;
  readonly actions: readonly FsmAction[];
}

/** Milliseconds an OPEN may take: RFC 4271 section 8.2.2 suggests 4 minutes. */
const OPEN_HOLD_TIME = 240_000;
/** Milliseconds before the attempt that follows a first failure; doubles with each. RFC 4271 section 8.1.1. */
const FIRST_IDLE_HOLD = 250;
/** Milliseconds after which an established session counts as sound, and its failures as past. */
const STABLE_AFTER = 30_000;

/** The whole life of a connection, without a socket or a clock: state and event in, state and actions out. */
export function step(state: FsmState, event: FsmEvent, settings: FsmSettings): FsmStep {
  if (event.type === "stop") return stop(state, event.notification);
  if (event.type === "collided") return stop(state, cease(CeaseError.Collision));
  switch (state.phase) {
    case "idle":
      return idle(state, event, settings);
    case "connect":
    case "active":
      return connecting(state, event, settings);
    case "openSent":
    case "openConfirm":
    case "established":
      return connected(state, event, settings);
  }
}

function idle(state: FsmState, event: FsmEvent, settings: FsmSettings): FsmStep {
  const starts = event.type === "start" || (event.type === "expired" && event.timer === "idleHold");
  if (!starts) return { state, actions: [] };
  return settings.passive ? { state: { ...state, phase: "active" }, actions: [] } : dial(state, settings);
}

function dial(state: FsmState, { connectRetry }: FsmSettings): FsmStep {
  return {
    state: { ...state, phase: "connect" },
    actions: [{ type: "startTimer", timer: "connectRetry", after: connectRetry }, { type: "dial" }],
  };
}

/** Connect and Active: no connection yet. */
function connecting(state: FsmState, event: FsmEvent, settings: FsmSettings): FsmStep {
  switch (event.type) {
    case "connected":
      return {
        state: { ...state, phase: "openSent" },
        actions: [
          { type: "stopTimer", timer: "connectRetry" },
          { type: "sendOpen" },
          { type: "startTimer", timer: "hold", after: OPEN_HOLD_TIME },
        ],
      };
    case "disconnected":
      return fail(state, settings, event.why);
    case "expired": {
      if (event.timer !== "connectRetry") return { state, actions: [] };
      if (settings.passive) return { state, actions: [] };
      const again = dial({ ...state, failures: state.failures + 1 }, settings);
      const why = "the peer does not answer";
      return { ...again, actions: [{ type: "hangUp" }, { type: "down", why }, ...again.actions] };
    }
    default:
      return { state, actions: [] };
  }
}

const OUT_OF_PLACE = {
  openSent: StateMachineError.OpenSent,
  openConfirm: StateMachineError.OpenConfirm,
  established: StateMachineError.Established,
} as const;

/** OpenSent, OpenConfirm and Established: there is a connection. */
function connected(state: FsmState, event: FsmEvent, settings: FsmSettings): FsmStep {
  switch (event.type) {
    case "disconnected":
      return fail(state, settings, event.why);
    case "notified":
      return notified(state, event.notification, settings);
    case "refused":
      return fail(state, settings, event.why, event.notification);
    case "bfdDown":
      return fail(state, settings, "BFD says that the peer is gone", cease(CeaseError.BfdDown));
    case "stuck":
      return fail(state, settings, "the peer takes nothing", notification(BgpErrorCode.SendHoldTimer));
    case "expired":
      return expired(state, event.timer, settings);
    case "open":
    case "keepalive":
    case "update":
      return heard(state, event, settings);
    default:
      return { state, actions: [] };
  }
}

function notified(state: FsmState, notification: BgpNotification, settings: FsmSettings): FsmStep {
  const step = fail(state, settings, `the peer says ${printBgpNotification(notification)}`);
  return { ...step, actions: step.actions.map((each) => (each.type === "down" ? { ...each, notification } : each)) };
}

function expired(state: FsmState, timer: FsmTimer, settings: FsmSettings): FsmStep {
  switch (timer) {
    case "hold":
      return fail(state, settings, "the hold timer expired", notification(BgpErrorCode.HoldTimer));
    case "keepalive":
      return {
        state,
        actions: [{ type: "sendKeepalive" }, { type: "startTimer", timer, after: state.keepaliveTime }],
      };
    case "stable":
      return { state: { ...state, failures: 0 }, actions: [] };
    default:
      return { state, actions: [] };
  }
}

function heard(
  state: FsmState,
  event: Extract<FsmEvent, { type: "open" | "keepalive" | "update" }>,
  settings: FsmSettings,
): FsmStep {
  const { phase } = state;
  if (phase === "openSent" && event.type === "open") {
    const { holdTime, keepaliveTime } = event;
    const opened: FsmState = { ...state, phase: "openConfirm", holdTime, keepaliveTime };
    const keepalive: FsmAction[] =
      holdTime === 0 ? [] : [{ type: "startTimer", timer: "keepalive", after: keepaliveTime }];
    return { state: opened, actions: [{ type: "sendKeepalive" }, ...restartHold(holdTime), ...keepalive] };
  }
  if (phase === "openConfirm" && event.type === "keepalive") {
    return {
      state: { ...state, phase: "established" },
      actions: [
        ...restartHold(state.holdTime),
        { type: "startTimer", timer: "stable", after: STABLE_AFTER },
        { type: "up" },
      ],
    };
  }
  if (phase === "established" && event.type !== "open") return { state, actions: restartHold(state.holdTime) };
  const subcode = OUT_OF_PLACE[phase as keyof typeof OUT_OF_PLACE];
  return fail(state, settings, `a message is out of place: ${event.type}`, {
    ...notification(BgpErrorCode.StateMachine),
    subcode,
  });
}

function restartHold(holdTime: number): FsmAction[] {
  if (holdTime === 0) return [{ type: "stopTimer", timer: "hold" }];
  return [{ type: "startTimer", timer: "hold", after: holdTime }];
}

const TIMERS = ["connectRetry", "hold", "keepalive", "idleHold", "stable"] as const satisfies readonly FsmTimer[];
const STOP_TIMERS: readonly FsmAction[] = TIMERS.map((timer) => ({ type: "stopTimer", timer }));

/** To Idle, and from there another attempt after a pause that grows. */
function fail(state: FsmState, { connectRetry }: FsmSettings, why: string, notification?: BgpNotification): FsmStep {
  const pause = Math.min(connectRetry, FIRST_IDLE_HOLD * 2 ** Math.min(state.failures, 20));
  return {
    state: { ...IDLE, failures: state.failures + 1 },
    actions: [
      ...(notification === undefined ? [] : [{ type: "notify" as const, notification }]),
      { type: "hangUp" },
      ...STOP_TIMERS,
      { type: "down", why, ...(notification && { notification }) },
      { type: "startTimer", timer: "idleHold", after: pause },
    ],
  };
}

/** To Idle, to stay there until started again. */
function stop(state: FsmState, notification?: BgpNotification): FsmStep {
  const speaks = state.phase === "openSent" || state.phase === "openConfirm" || state.phase === "established";
  const why = notification === undefined ? "stopped" : printBgpNotification(notification);
  return {
    state: IDLE,
    actions: [
      ...(speaks && notification !== undefined ? [{ type: "notify" as const, notification }] : []),
      { type: "hangUp" },
      ...STOP_TIMERS,
      { type: "down", why },
    ],
  };
}

function cease(subcode: number): BgpNotification {
  return { code: BgpErrorCode.Cease, subcode, data: NO_DATA };
}

function notification(code: number): BgpNotification {
  return { code, subcode: 0, data: NO_DATA };
}
