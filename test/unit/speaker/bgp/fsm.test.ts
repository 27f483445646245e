import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type BgpNotification, NO_DATA } from "../../../../net/mod.ts";
import { type FsmEvent, type FsmState, IDLE, type Phase, step } from "../../../../speaker/bgp/fsm.ts";

const SETTINGS = { passive: false, connectRetry: 10_000 };
const PHASES: readonly Phase[] = ["idle", "connect", "active", "openSent", "openConfirm", "established"];
const cease: BgpNotification = { code: 6, subcode: 2, data: NO_DATA };
const open: FsmEvent = { type: "open", holdTime: 90_000, keepaliveTime: 30_000 };

const EVENTS: readonly FsmEvent[] = [
  { type: "start" },
  { type: "stop", notification: cease },
  { type: "connected" },
  { type: "disconnected", why: "reset" },
  { type: "expired", timer: "connectRetry" },
  { type: "expired", timer: "hold" },
  { type: "expired", timer: "keepalive" },
  { type: "expired", timer: "idleHold" },
  { type: "expired", timer: "stable" },
  { type: "stuck" },
  open,
  { type: "collided" },
  { type: "notified", notification: cease },
  { type: "keepalive" },
  { type: "update" },
  { type: "refused", notification: { code: 1, subcode: 1, data: NO_DATA }, why: "bad" },
  { type: "bfdDown" },
];

function at(phase: Phase): FsmState {
  return { phase, failures: 0, holdTime: 90_000, keepaliveTime: 30_000 };
}

/** What a step does, in short: the next phase and the NOTIFICATION it sends. */
function shortly(phase: Phase, event: FsmEvent): string {
  const { state, actions } = step(at(phase), event, SETTINGS);
  const notify = actions.find((action) => action.type === "notify");
  return notify === undefined
    ? state.phase
    : `${state.phase} ${notify.notification.code}/${notify.notification.subcode}`;
}

describe("step()", () => {
  // RFC 4271 section 8.2.2, state by state. A row that is not there: the state stays and nothing is sent.
  const table: Readonly<Record<Phase, Readonly<Record<string, string>>>> = {
    idle: { start: "connect", "expired idleHold": "connect" },
    connect: { connected: "openSent", disconnected: "idle", stop: "idle", collided: "idle" },
    active: {
      connected: "openSent",
      disconnected: "idle",
      stop: "idle",
      collided: "idle",
      "expired connectRetry": "connect",
    },
    openSent: {
      disconnected: "idle",
      "expired hold": "idle 4/0",
      stop: "idle 6/2",
      collided: "idle 6/7",
      open: "openConfirm",
      keepalive: "idle 5/1",
      update: "idle 5/1",
      notified: "idle",
      refused: "idle 1/1",
      bfdDown: "idle 6/10",
      stuck: "idle 8/0",
    },
    openConfirm: {
      disconnected: "idle",
      "expired hold": "idle 4/0",
      stop: "idle 6/2",
      collided: "idle 6/7",
      open: "idle 5/2",
      keepalive: "established",
      update: "idle 5/2",
      notified: "idle",
      refused: "idle 1/1",
      bfdDown: "idle 6/10",
      stuck: "idle 8/0",
    },
    established: {
      disconnected: "idle",
      "expired hold": "idle 4/0",
      stop: "idle 6/2",
      collided: "idle 6/7",
      open: "idle 5/3",
      notified: "idle",
      refused: "idle 1/1",
      bfdDown: "idle 6/10",
      stuck: "idle 8/0",
    },
  };
  for (const phase of PHASES) {
    const cases = EVENTS.map((event) => {
      const name = event.type === "expired" ? `expired ${event.timer}` : event.type;
      return { name, event, want: table[phase][name] ?? phase };
    });
    test.each(cases)(`in ${phase}, $name gives $want`, ({ event, want }) => expect(shortly(phase, event)).toBe(want));
  }

  test("waits for the peer when it is to be passive", () => {
    const { state, actions } = step(IDLE, { type: "start" }, { ...SETTINGS, passive: true });
    expect(state.phase).toBe("active");
    expect(actions).toEqual([]);
  });

  test("starts the timers of the session with the times agreed on", () => {
    const { actions } = step(at("openSent"), open, SETTINGS);
    expect(actions).toEqual([
      { type: "sendKeepalive" },
      { type: "startTimer", timer: "hold", after: 90_000 },
      { type: "startTimer", timer: "keepalive", after: 30_000 },
    ]);
  });

  test("runs no timers when the hold time agreed on is 0", () => {
    const { actions } = step(at("openSent"), { type: "open", holdTime: 0, keepaliveTime: 0 }, SETTINGS);
    expect(actions).toEqual([{ type: "sendKeepalive" }, { type: "stopTimer", timer: "hold" }]);
  });

  test("leaves a peer that fails again and again alone for longer each time, up to the connect time", () => {
    let state: FsmState = at("openSent");
    const pauses: number[] = [];
    for (let i = 0; i < 8; i++) {
      const failed = step({ ...state, phase: "openSent" }, { type: "disconnected", why: "reset" }, SETTINGS);
      const timer = failed.actions.find((action) => action.type === "startTimer");
      pauses.push(timer?.after ?? Number.NaN);
      state = failed.state;
    }
    expect(pauses).toEqual([250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000]);
  });

  test("forgets failures once a session was up for a while", () => {
    const { state } = step({ ...at("established"), failures: 7 }, { type: "expired", timer: "stable" }, SETTINGS);
    expect(state.failures).toBe(0);
  });

  test("whatever happens, sends on a connection only, and hangs up when it goes to idle", () => {
    const order = fc.array(fc.constantFrom(...EVENTS), { maxLength: 60 });
    fc.assert(
      fc.property(order, (events) => {
        let state = IDLE;
        for (const event of events) {
          const before = state;
          const { state: after, actions } = step(before, event, SETTINGS);
          const sends = actions.some(({ type }) => type === "notify" || type === "sendKeepalive");
          if (sends) expect(["openSent", "openConfirm", "established"]).toContain(before.phase);
          if (after.phase === "idle" && before.phase !== "idle") expect(actions).toContainEqual({ type: "hangUp" });
          const ups = actions.filter(({ type }) => type === "up").length;
          expect(ups).toBe(after.phase === "established" && before.phase === "openConfirm" ? 1 : 0);
          state = after;
        }
      }),
    );
  });
});
