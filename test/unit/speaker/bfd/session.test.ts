import { describe, expect, test } from "vitest";
import { BfdState } from "../../../../net/mod.ts";
import {
  type BfdSession,
  type BfdTimes,
  bfdPacketOf,
  changeBfd,
  closeBfd,
  detectionTimeOf,
  expireBfd,
  newBfdSession,
  receiveBfd,
  transmitIntervalOf,
} from "../../../../speaker/bfd/session.ts";

const TIMES: BfdTimes = {
  transmitInterval: 50,
  receiveInterval: 60,
  detectMultiplier: 3,
  echoInterval: 50,
  passive: false,
};

/** One exchange: each hears what the other says now. */
function exchange(a: BfdSession, b: BfdSession, now: number): [BfdSession, BfdSession] {
  const fromA = bfdPacketOf(a, false);
  const atB = receiveBfd(b, fromA, now);
  const atA = receiveBfd(a, bfdPacketOf(atB.session, false), now);
  const answered = atB.answer ? receiveBfd(atA.session, bfdPacketOf(atB.session, true), now).session : atA.session;
  return [answered, atB.session];
}

function pair(times: Partial<BfdTimes> = {}): [BfdSession, BfdSession] {
  let [a, b] = [newBfdSession(TIMES, 1), newBfdSession({ ...TIMES, ...times }, 2)];
  for (let i = 0; i < 4; i++) [a, b] = exchange(a, b, i);
  for (let i = 0; i < 2; i++) [b, a] = exchange(b, a, 4 + i);
  return [a, b];
}

describe("receiveBfd()", () => {
  test("two speakers come up, and confirm each other's times", () => {
    const [a, b] = pair();
    expect([a.state, b.state, a.polling, b.polling]).toEqual([BfdState.Up, BfdState.Up, false, false]);
  });

  const { Down, Init, Up, AdminDown } = BfdState;
  // RFC 5880 section 6.8.6: local state, state received, local state after.
  const table: [BfdState, BfdState, BfdState][] = [
    [Down, AdminDown, Down],
    [Down, Down, Init],
    [Down, Init, Up],
    [Down, Up, Down],
    [Init, AdminDown, Down],
    [Init, Down, Init],
    [Init, Init, Up],
    [Init, Up, Up],
    [Up, AdminDown, Down],
    [Up, Down, Down],
    [Up, Init, Up],
    [Up, Up, Up],
    [AdminDown, Up, AdminDown],
  ];
  test.each(table)("in state %i, hearing %i gives %i", (local, remote, want) => {
    const session = { ...newBfdSession(TIMES, 1), state: local };
    const packet = { ...bfdPacketOf(newBfdSession(TIMES, 2), false), state: remote };
    expect(receiveBfd(session, packet, 0).session.state).toBe(want);
  });

  test("a poll is answered at once", () => {
    const packet = { ...bfdPacketOf(newBfdSession(TIMES, 2), false), poll: true };
    expect(receiveBfd(newBfdSession(TIMES, 1), packet, 0).answer).toBe(true);
  });
});

describe("transmitIntervalOf()", () => {
  test("is a second until the session is up, and the slower side's wish afterwards", () => {
    expect(transmitIntervalOf(newBfdSession(TIMES, 1))).toBe(1000);
    const [a, b] = pair({ receiveInterval: 200 });
    expect(transmitIntervalOf(a)).toBe(200);
    expect(transmitIntervalOf(b)).toBe(60);
  });

  test("says nothing to a peer that wants no packets, nor first when passive", () => {
    const [a] = pair();
    expect(transmitIntervalOf({ ...a, remoteMinRx: 0 })).toBeUndefined();
    expect(transmitIntervalOf({ ...a, remoteDemand: true })).toBeUndefined();
    expect(transmitIntervalOf(newBfdSession({ ...TIMES, passive: true }, 1))).toBeUndefined();
  });

  test("grows only with the peer's consent", () => {
    const [a] = pair();
    const slower = changeBfd(a, { ...TIMES, transmitInterval: 500, receiveInterval: 10 });
    expect(transmitIntervalOf(slower)).toBe(60);
    expect(detectionTimeOf(slower)).toBe(180);
    const { session } = receiveBfd(slower, { ...bfdPacketOf(a, true), myDiscriminator: 2 }, 9);
    expect(transmitIntervalOf(session)).toBe(500);
  });
});

describe("expireBfd()", () => {
  test("gives a silent peer up after its multiplier of the slower interval", () => {
    const [a] = pair({ transmitInterval: 100, detectMultiplier: 4 });
    const heard = a.heardAt ?? Number.NaN;
    expect(detectionTimeOf(a)).toBe(400);
    expect(expireBfd(a, heard + 399)).toBe(a);
    expect(expireBfd(a, heard + 400)).toMatchObject({ state: BfdState.Down, diagnostic: 1, remoteDiscriminator: 0 });
  });
});

describe("closeBfd()", () => {
  test("tells the peer that it is by intention", () => {
    const [a] = pair();
    expect(bfdPacketOf(closeBfd(a), false)).toMatchObject({ state: BfdState.AdminDown, diagnostic: 7 });
  });
});
