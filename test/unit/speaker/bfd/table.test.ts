import { beforeEach, describe, expect, test } from "vitest";
import { type FakeClock, fakeClock } from "../../../../core/mod.ts";
import { type BfdPacket, parseAddress } from "../../../../net/mod.ts";
import type { BfdTimes } from "../../../../speaker/bfd/session.ts";
import { type BfdPeer, BfdTable } from "../../../../speaker/bfd/table.ts";

const TIMES: BfdTimes = {
  transmitInterval: 50,
  receiveInterval: 50,
  detectMultiplier: 3,
  echoInterval: 0,
  passive: false,
};
const ADDRESSES = [parseAddress("192.0.2.1"), parseAddress("192.0.2.2")] as const;

/** Two speakers on one wire. */
let clock: FakeClock;
let cut: boolean;
let downs: string[];
let tables: readonly [BfdTable, BfdTable];
/** Packets each side sent. */
let sent: [number, number];

function peer(remote: 0 | 1, more: Partial<BfdPeer> = {}): BfdPeer {
  return { name: "other", remote: ADDRESSES[remote], device: "", times: TIMES, ...more };
}

beforeEach(() => {
  clock = fakeClock();
  cut = false;
  downs = [];
  sent = [0, 0];
  const table = (own: 0 | 1) =>
    new BfdTable({
      clock,
      random: () => 0.5,
      discriminator: () => 100 + own,
      openSender: () => ({
        send: (packet: BfdPacket) => {
          sent[own]++;
          if (!cut) clock.after(1, () => tables[own === 0 ? 1 : 0].receive(packet, ADDRESSES[own], "", false));
        },
        close: () => {},
      }),
      onDown: () => downs.push(`${own}`),
      onChange: () => {},
      onLog: () => {},
    });
  tables = [table(0), table(1)];
});

function connect(more: Partial<BfdPeer> = {}): void {
  tables[0].setPeers([peer(1)]);
  tables[1].setPeers([peer(0, more)]);
  clock.advance(3000);
}

describe("BfdTable", () => {
  test("comes up, and then sends as fast as both want", () => {
    connect();
    expect(tables.map((table) => table.statusOf("other")?.state)).toEqual(["up", "up"]);
    const before = sent[0];
    clock.advance(1000);
    // 50 ms, less an eighth by jitter.
    expect(sent[0] - before).toBeGreaterThanOrEqual(20);
    expect(sent[0] - before).toBeLessThanOrEqual(25);
  });

  test("gives up a peer that is silent for the detection time, and finds it again", () => {
    connect();
    cut = true;
    clock.advance(100);
    expect(downs).toEqual([]);
    clock.advance(100);
    expect(downs.sort()).toEqual(["0", "1"]);
    cut = false;
    clock.advance(5000);
    expect(tables[0].statusOf("other")).toMatchObject({ state: "up", ups: 2, downs: 1 });
  });

  test("goes on when the peer takes its session away on purpose", () => {
    connect();
    tables[1].setPeers([]);
    clock.advance(10);
    expect(tables[0].statusOf("other")?.state).toBe("down");
    expect(downs).toEqual([]);
  });

  test("changes its times without losing the session", () => {
    connect();
    tables[0].setPeers([peer(1, { times: { ...TIMES, transmitInterval: 200, receiveInterval: 400 } })]);
    clock.advance(3000);
    expect(tables[0].statusOf("other")).toMatchObject({ state: "up", transmitInterval: 200, downs: 0 });
    expect(tables[1].statusOf("other")).toMatchObject({ state: "up", transmitInterval: 400, detectionTime: 600 });
  });

  test("waits for the first packet of the peer when passive", () => {
    tables[0].setPeers([peer(1, { times: { ...TIMES, passive: true } })]);
    clock.advance(5000);
    expect(sent[0]).toBe(0);
    tables[1].setPeers([peer(0)]);
    clock.advance(5000);
    expect(tables[0].statusOf("other")?.state).toBe("up");
  });

  test("counts the echo packets that went back to a peer, each peer's own", () => {
    connect();
    tables[0].noteEcho(ADDRESSES[1], "");
    tables[0].noteEcho(ADDRESSES[1], "eth1");
    tables[0].noteEcho(ADDRESSES[0], "");
    expect(tables[0].statusOf("other")?.echoes).toBe(1);
  });

  test("ignores packets of strangers, of other sessions, and from another number of hops", () => {
    connect();
    const packet: BfdPacket = {
      diagnostic: 0,
      state: 1,
      poll: false,
      final: false,
      independent: false,
      demand: false,
      multiplier: 3,
      myDiscriminator: 7,
      yourDiscriminator: 100,
      desiredMinTx: 50_000,
      requiredMinRx: 50_000,
      requiredMinEchoRx: 0,
    };
    tables[0].receive(packet, parseAddress("192.0.2.9"), "", false);
    tables[0].receive({ ...packet, yourDiscriminator: 999 }, ADDRESSES[1], "", false);
    tables[0].receive(packet, ADDRESSES[1], "", true);
    tables[0].receive(packet, ADDRESSES[1], "eth9", false);
    expect(tables[0].statusOf("other")?.state).toBe("up");
    tables[0].receive(packet, ADDRESSES[1], "", false);
    expect(tables[0].statusOf("other")?.state).toBe("down");
  });
});
