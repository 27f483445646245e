import { describe, expect, test } from "vitest";
import type { Claims } from "../../../speaker/claim.ts";
import type { Heartbeat, Phase } from "../../../speaker/heartbeat.ts";
import { MemberTable, type Outgoing } from "../../../speaker/member-table.ts";
import { MEMBER_TIMES } from "../../../speaker/member-times.ts";
import { NO_STATIONS } from "../../../speaker/station.ts";

const HOLDS: Claims = new Map([["192.0.2.1", { stance: "holds", score: 0 }]]);

/** Two members, "a" and "b", and a network that a test can interrupt. Time moves in ticks. */
function pair() {
  let now = 0;
  let passes: (to: string, heartbeat: Heartbeat) => boolean = () => true;
  const tables = new Map<string, MemberTable>();
  const seen: Outgoing[] = [];

  const deliver = (outgoing: readonly Outgoing[]) => {
    for (const each of outgoing) {
      seen.push(each);
      const table = passes(each.to, each.heartbeat) ? tables.get(each.to) : undefined;
      if (table !== undefined) deliver(table.receive(each.heartbeat, now));
    }
  };
  const start = (name: "a" | "b", epoch: bigint) => {
    const table = new MemberTable(name, epoch, MEMBER_TIMES, now);
    table.setPeers(["a", "b"]);
    table.setOwn("running", new Map(), NO_STATIONS);
    tables.set(name, table);
    return table;
  };
  start("a", 1n);
  start("b", 2n);

  return {
    seen,
    start,
    stop: (name: "a" | "b") => tables.delete(name),
    get now() {
      return now;
    },
    say: (name: "a" | "b", phase: Phase, claims: Claims, stations = NO_STATIONS) => {
      tables.get(name)!.setOwn(phase, claims, stations);
      deliver(tables.get(name)!.announce(now));
    },
    /** Those whom a member is told that there are. */
    setPeers: (name: "a" | "b", names: readonly string[]) => tables.get(name)!.setPeers(names),
    inject: (heartbeat: Heartbeat) => deliver(tables.get("a")!.receive(heartbeat, now)),
    refuse: () => tables.get("a")!.refused("b", now),
    setNetwork: (decide: typeof passes) => {
      passes = decide;
    },
    run: (ms: number) => {
      for (const end = now + ms; now < end; ) {
        now += MEMBER_TIMES.tick;
        for (const table of [...tables.values()]) deliver(table.tick(now));
      }
    },
    /** Where b is, as a knows. */
    get stations() {
      return tables.get("a")!.stationsOf("b");
    },
    /** What a thinks of b. */
    get view() {
      return tables.get("a")!.peers(now)[0]!;
    },
  };
}

describe("MemberTable", () => {
  test("members find each other and learn each other's claims", () => {
    const lan = pair();
    expect(lan.view).toMatchObject({ name: "b", reach: "lost", known: false });
    lan.run(100);
    expect(lan.view).toMatchObject({ reach: "alive", known: true, claims: new Map() });
    lan.say("b", "running", HOLDS);
    expect(lan.view).toMatchObject({ reach: "alive", known: true, claims: HOLDS });
  });

  const memories: { forgetful: ("a" | "b")[] }[] = [
    { forgetful: ["a"] },
    { forgetful: ["b"] },
    { forgetful: ["a", "b"] },
  ];
  test.each(memories)("members find each other again after $forgetful forgot the other", ({ forgetful }) => {
    const lan = pair();
    lan.say("b", "running", HOLDS);
    lan.run(60_000);
    for (const name of forgetful) lan.setPeers(name, []);
    lan.run(5000);
    for (const name of forgetful) lan.setPeers(name, ["a", "b"]);
    lan.run(200);
    expect(lan.view).toMatchObject({ reach: "alive", known: true, claims: HOLDS });
  });

  test("sends a heartbeat every period and nothing else when all is quiet", () => {
    const lan = pair();
    lan.run(1000);
    lan.seen.length = 0;
    lan.run(1000);
    expect(lan.seen.filter(({ to }) => to === "a")).toHaveLength(10);
    expect(lan.seen.every(({ heartbeat }) => heartbeat.part === undefined)).toBe(true);
  });

  test("knows where a member is, also while it is started again and knows none of its links yet", () => {
    const lan = pair();
    const stations = new Map([[1, "02:00:00:00:00:01"]]);
    lan.say("b", "running", HOLDS, stations);
    lan.run(500);
    expect(lan.stations).toEqual(stations);
    lan.start("b", 3n);
    lan.say("b", "starting", new Map());
    lan.run(500);
    expect(lan.view.reach).toBe("restarting");
    expect(lan.stations).toEqual(stations);
    lan.say("b", "running", HOLDS, new Map([[2, "02:00:00:00:00:02"]]));
    expect(lan.stations).toEqual(new Map([[2, "02:00:00:00:00:02"]]));
  });

  test("sends claims again until they arrive", () => {
    const lan = pair();
    lan.run(200);
    lan.setNetwork((to) => to !== "a");
    lan.say("b", "running", HOLDS);
    lan.run(200);
    expect(lan.view.claims).toEqual(new Map());
    lan.setNetwork(() => true);
    lan.run(100);
    expect(lan.view.claims).toEqual(HOLDS);
  });

  test("puts claims of many datagrams together, whichever are lost", () => {
    const lan = pair();
    lan.run(200);
    const many: Claims = new Map(
      Array.from({ length: 1000 }, (_, i) => [`10.0.${i >> 8}.${i & 255}`, { stance: "ready", score: 0 }]),
    );
    let count = 0;
    lan.setNetwork((to) => to !== "a" || count++ % 3 === 0);
    lan.say("b", "running", many);
    expect(lan.view.claims.size).toBe(0);
    expect(lan.view.known).toBe(false);
    lan.run(1000);
    expect(lan.view.claims).toEqual(many);
    expect(lan.view.known).toBe(true);
  });

  test("a silent member is lost after three heartbeats, and its claims with it", () => {
    const lan = pair();
    lan.run(200);
    lan.say("b", "running", HOLDS);
    lan.run(50);
    lan.stop("b");
    lan.run(300);
    expect(lan.view).toMatchObject({ reach: "alive", claims: HOLDS });
    lan.run(100);
    expect(lan.view).toMatchObject({ reach: "lost", claims: new Map() });
  });

  test("asks a silent member for a sign of life", () => {
    const lan = pair();
    lan.run(200);
    lan.stop("b");
    lan.seen.length = 0;
    lan.run(350);
    expect(lan.seen.filter(({ heartbeat }) => heartbeat.probe).length).toBeGreaterThanOrEqual(3);
  });

  test("a member that stops hearing us is deaf", () => {
    const lan = pair();
    lan.run(200);
    lan.setNetwork((to) => to !== "b");
    lan.run(MEMBER_TIMES.deafAfter - 100);
    expect(lan.view.reach).toBe("alive");
    lan.run(200);
    expect(lan.view.reach).toBe("deaf");
    lan.setNetwork(() => true);
    lan.run(100);
    expect(lan.view.reach).toBe("alive");
  });

  test("what comes first after a silence is not taken for the present", () => {
    const lan = pair();
    lan.run(200);
    lan.setNetwork(() => false);
    lan.run(2000);
    lan.setNetwork((to) => to !== "b");
    lan.run(200);
    expect(lan.view.reach).toBe("returning");
    lan.setNetwork(() => true);
    lan.run(100);
    expect(lan.view.reach).toBe("alive");
  });

  test("a member that says good-bye is gone at once", () => {
    const lan = pair();
    lan.run(200);
    lan.say("b", "left", new Map());
    expect(lan.view).toMatchObject({ reach: "lost", known: true });
    lan.stop("b");
    lan.run(50);
    lan.refuse();
    lan.run(100);
    expect(lan.view.reach).toBe("lost");
  });

  test("forgets a member that is not named any more", () => {
    const lan = pair();
    lan.run(200);
    const table = lan.start("a", 5n);
    table.setPeers(["a"]);
    lan.run(200);
    expect(table.peers(lan.now)).toEqual([]);
  });
});

/** Two members of which "b" held an address until its program stopped; its kernel refused once. */
function stoppedHolder() {
  const lan = pair();
  lan.run(200);
  lan.say("b", "running", HOLDS);
  lan.stop("b");
  lan.run(50);
  lan.refuse();
  return lan;
}

describe("MemberTable when a program restarts", () => {
  test("keeps what it held while its kernel refuses, for ten seconds", () => {
    const lan = stoppedHolder();
    expect(lan.view).toMatchObject({ reach: "restarting", known: true, claims: HOLDS });
    for (let i = 0; i < 9; i++) {
      lan.run(1000);
      lan.refuse();
      expect(lan.view.reach).toBe("restarting");
    }
    lan.run(1100);
    lan.refuse();
    expect(lan.view).toMatchObject({ reach: "lost", kernelLives: true });
    lan.run(MEMBER_TIMES.refusalMaxAge + MEMBER_TIMES.keptAfter + 50);
    expect(lan.view.kernelLives).toBe(false);
  });

  test("a member that says good-bye may have a kernel that lives on", () => {
    const lan = pair();
    lan.run(200);
    lan.say("b", "left", new Map());
    lan.stop("b");
    expect(lan.view).toMatchObject({ reach: "lost", kernelLives: true });
    lan.run(MEMBER_TIMES.deadAfter + MEMBER_TIMES.keptAfter + 50);
    expect(lan.view.kernelLives).toBe(false);
    lan.refuse();
    expect(lan.view).toMatchObject({ reach: "lost", kernelLives: true });
  });

  test("a refusal may be lost: they come once a second", () => {
    const lan = stoppedHolder();
    lan.run(2000);
    expect(lan.view.reach).toBe("restarting");
  });

  test("gives up at once on a node that stops refusing", () => {
    const lan = stoppedHolder();
    lan.run(MEMBER_TIMES.refusalMaxAge + 50);
    expect(lan.view.reach).toBe("lost");
  });

  test("keeps it through the new start, until the member says what it claims now", () => {
    const lan = pair();
    lan.run(200);
    lan.say("b", "running", HOLDS);
    lan.start("b", 3n);
    lan.say("b", "starting", new Map());
    lan.run(100);
    expect(lan.view).toMatchObject({ reach: "restarting", claims: HOLDS });
    lan.say("b", "running", new Map());
    expect(lan.view).toMatchObject({ reach: "alive", claims: new Map() });
  });

  test("keeps nothing for a member that was handing over", () => {
    const lan = pair();
    lan.run(200);
    lan.say("b", "leaving", new Map([["192.0.2.1", { stance: "handsOver", score: 0 }]]));
    lan.stop("b");
    lan.run(50);
    lan.refuse();
    lan.run(50);
    expect(lan.view.reach).toBe("lost");
  });
});

describe("MemberTable against old packets", () => {
  test("ignores a replay of the present life", () => {
    const lan = pair();
    lan.run(200);
    const old = lan.seen.filter(({ to }) => to === "a").map(({ heartbeat }) => heartbeat);
    lan.say("b", "running", HOLDS);
    for (const heartbeat of old) lan.inject(heartbeat);
    expect(lan.view.claims).toEqual(HOLDS);
    lan.stop("b");
    lan.run(200);
    for (const heartbeat of old) lan.inject(heartbeat);
    lan.run(200);
    expect(lan.view.reach).toBe("lost");
  });

  test("ignores the last packet told again", () => {
    const lan = pair();
    lan.run(200);
    lan.stop("b");
    const last = lan.seen.findLast(({ to }) => to === "a")!.heartbeat;
    for (let i = 0; i < 8; i++) {
      lan.run(50);
      lan.inject(last);
    }
    expect(lan.view.reach).toBe("lost");
  });

  test("ignores a replay of an earlier life", () => {
    const lan = pair();
    lan.run(200);
    lan.say("b", "running", HOLDS);
    const old = lan.seen.filter(({ to }) => to === "a").map(({ heartbeat }) => heartbeat);
    lan.start("b", 3n);
    lan.run(3000);
    for (const heartbeat of old) lan.inject(heartbeat);
    expect(lan.view).toMatchObject({ reach: "alive", claims: new Map() });
    lan.stop("b");
    lan.run(400);
    for (const heartbeat of old) lan.inject(heartbeat);
    expect(lan.view.reach).toBe("lost");
  });

  test("ignores a stranger", () => {
    const lan = pair();
    lan.run(200);
    lan.inject({ ...lan.seen[0]!.heartbeat, from: "c" });
    lan.run(50);
    expect(lan.view.name).toBe("b");
  });
});

describe("MemberTable.tick()", () => {
  test("does not count its own delay against others", () => {
    const table = new MemberTable("a", 1n, MEMBER_TIMES, 0);
    const other = new MemberTable("b", 2n, MEMBER_TIMES, 0);
    table.setPeers(["b"]);
    other.setPeers(["a"]);
    const talk = (now: number) => {
      for (const { heartbeat } of table.tick(now)) {
        for (const answer of other.receive(heartbeat, now)) {
          for (const reply of table.receive(answer.heartbeat, now)) other.receive(reply.heartbeat, now);
        }
      }
      for (const { heartbeat } of other.tick(now)) table.receive(heartbeat, now);
    };
    for (let now = 50; now <= 500; now += 50) talk(now);
    expect(table.peers(500)[0]?.reach).toBe("alive");
    table.tick(5000);
    expect(table.peers(5000)[0]?.reach).toBe("alive");
    table.refused("b", 5010);
    table.tick(9000);
    expect(table.peers(9000)[0]).toMatchObject({ reach: "restarting", kernelLives: true });
  });
});
