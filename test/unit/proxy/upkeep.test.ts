import { beforeEach, describe, expect, test } from "vitest";
import { type FakeClock, fakeClock, silentLog } from "../../../core/mod.ts";
import type { Backend, Look } from "../../../proxy/backend.ts";
import { Upkeep } from "../../../proxy/upkeep.ts";

let clock: FakeClock;
let calls: string[];
let condition: Look["condition"];
let seen: number;
let checkTakes: number;
let differing: number;
let failure: Error | undefined;

beforeEach(() => {
  clock = fakeClock(1_000_000);
  calls = [];
  condition = "touched";
  seen = 0;
  checkTakes = 0;
  differing = 0;
  failure = undefined;
});

function upkeepOf(drift: Backend["drift"]): Upkeep {
  const backend: Backend = {
    family: "ipv4",
    drift,
    replace: () => {},
    setNodeAddresses: () => {},
    setServiceRanges: () => {},
    check: async () => {
      calls.push("check");
      clock.advance(checkTakes);
      return differing;
    },
    write: async () => {
      calls.push("write");
      if (failure !== undefined) throw failure;
      return 0;
    },
    counts: async () => ({ connections: [] }),
    sizes: () => new Map(),
    inspect: async () => {
      calls.push("inspect");
      return { condition, differing: seen };
    },
    close: () => {},
  };
  return new Upkeep(backend, clock, silentLog());
}

/** What one bring() did, after `wait` milliseconds. */
async function bring(upkeep: Upkeep, wait = 0): Promise<string> {
  clock.advance(wait);
  calls = [];
  await upkeep.bring();
  return calls.join(" ");
}

describe("Upkeep", () => {
  test("compares everything once, then only writes", async () => {
    const upkeep = upkeepOf("notified");
    expect(upkeep.inForce).toBe(false);
    expect(await bring(upkeep)).toBe("check write");
    expect(upkeep.inForce).toBe(true);
    expect(await bring(upkeep, 10)).toBe("write");
    expect(await bring(upkeep, 300_000)).toBe("check write");
  });

  test("looks when others changed something, and compares no more often than twice a second", async () => {
    const upkeep = upkeepOf("notified");
    await bring(upkeep);
    upkeep.notice();
    expect(await bring(upkeep, 100)).toBe("inspect write");
    expect(upkeep.pause).toBe(400);
    upkeep.notice();
    expect(await bring(upkeep, 100)).toBe("write"); // looked a moment ago
    expect(upkeep.pause).toBe(150);
    expect(await bring(upkeep, 300)).toBe("inspect check write");
  });

  test("compares nothing when a look says all, and counts what it saw", async () => {
    const upkeep = upkeepOf("notified");
    await bring(upkeep);
    upkeep.notice();
    condition = "fine";
    seen = 3;
    clock.advance(1000);
    calls = [];
    expect(await upkeep.bring()).toEqual({ written: 0, repaired: 3 });
    expect(calls.join(" ")).toBe("inspect write");
    expect(await bring(upkeep, 1000)).toBe("write");
  });

  test("compares at once when the rules are gone", async () => {
    const upkeep = upkeepOf("notified");
    await bring(upkeep);
    upkeep.notice();
    condition = "broken";
    differing = 5;
    clock.advance(1);
    expect(await upkeep.bring()).toEqual({ written: 0, repaired: 5 });
    expect(upkeep.inForce).toBe(true);
  });

  /** Milliseconds after which a look that can't tell is followed by a comparison; the last one is just over. */
  async function waitOf(upkeep: Upkeep): Promise<number> {
    upkeep.notice();
    await bring(upkeep, 250);
    const pause = upkeep.pause;
    expect(await bring(upkeep, pause)).toBe("check write");
    return 250 + pause;
  }

  test("compares at once again as long as it finds something, whatever a comparison takes", async () => {
    const upkeep = upkeepOf("notified");
    checkTakes = 3000;
    await bring(upkeep);
    differing = 1;
    for (let i = 0; i < 3; i++) expect(await waitOf(upkeep)).toBe(500);
  });

  test("leaves more and more time between comparisons that find nothing, and forgets that when one does", async () => {
    const upkeep = upkeepOf("notified");
    checkTakes = 1000;
    await bring(upkeep);
    const waits: number[] = [];
    for (let i = 0; i < 7; i++) waits.push(await waitOf(upkeep));
    expect(waits).toEqual([500, 1000, 3000, 7000, 15_000, 20_000, 20_000]);
    differing = 1;
    expect(await waitOf(upkeep)).toBe(20_000);
    expect(await waitOf(upkeep)).toBe(500);
  });

  test("looks by itself where the kernel does not tell", async () => {
    const upkeep = upkeepOf("polled");
    condition = "fine";
    expect(await bring(upkeep)).toBe("inspect check write");
    expect(upkeep.pause).toBe(500);
    expect(await bring(upkeep, 499)).toBe("write");
    expect(await bring(upkeep, 1)).toBe("inspect write");
  });

  test("compares before it writes again after a failure", async () => {
    const upkeep = upkeepOf("notified");
    await bring(upkeep);
    failure = new Error("refused");
    await expect(upkeep.bring()).rejects.toBe(failure);
    expect(upkeep.inForce).toBe(true); // what was written before still is
    failure = undefined;
    expect(await bring(upkeep, 1)).toBe("check write");
  });
});
