import fc from "fast-check";
import { afterEach, describe, expect, test, vi } from "vitest";
import { encodeHeartbeat } from "../../../../speaker/heartbeat.ts";
import { announcement, ETH0, ETH1, type FakeLan, fakeLan, KEY } from "./fake-lan.ts";

const NODES = ["node1", "node2", "node3"];
const ADDRESS = "192.168.1.100";

function startedLan(addresses = [ADDRESS], names = NODES) {
  const lan = fakeLan(
    names,
    addresses.map((address) => announcement(address)),
  );
  lan.startAll();
  lan.clock.advance(1000);
  return lan;
}

/** The one owner; fails when there is none or more. */
function owner(lan: FakeLan, address = ADDRESS): string {
  const owners = lan.owners(address);
  expect(owners).toHaveLength(1);
  return owners[0]!;
}

/** Milliseconds until `condition` holds, looked at every 5 ms; fails after `limit`. */
function waitFor(lan: FakeLan, limit: number, condition: () => boolean): number {
  for (let waited = 0; waited <= limit; waited += 5) {
    if (condition()) return waited;
    lan.clock.advance(5);
  }
  throw new Error(`not true within ${limit} ms`);
}

/** Whole numbers in an order that looks random and is always the same (Park and Miller's generator). */
function fakeDice(): () => number {
  let seed = 1;
  return () => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed;
  };
}

const others = (name: string) => NODES.filter((each) => each !== name);

/** All nodes but `late` have run for a while. */
function runningWithout(late: string) {
  const lan = fakeLan(NODES, [announcement(ADDRESS)]);
  for (const name of others(late)) lan.start(name);
  lan.die(late);
  lan.clock.advance(1000);
  return lan;
}

describe("Engine", () => {
  test("has one owner for each address soon after all nodes started together", () => {
    const addresses = Array.from({ length: 50 }, (_, i) => `192.168.1.${100 + i}`);
    const lan = fakeLan(
      NODES,
      addresses.map((address) => announcement(address)),
    );
    lan.startAll();
    lan.clock.advance(100);
    const owners = new Set(addresses.map((address) => owner(lan, address)));
    expect([...owners].sort()).toEqual(NODES);
  });

  test("a node that is alone takes its addresses after listening", () => {
    const lan = fakeLan(NODES, [announcement(ADDRESS)]);
    lan.start("node1");
    lan.die("node2");
    lan.die("node3");
    expect(waitFor(lan, 1000, () => lan.owners(ADDRESS).length === 1)).toBeLessThanOrEqual(450);
  });

  test("a node that starts later takes nothing from a holder, though it ranks better", () => {
    for (const late of NODES) {
      const lan = runningWithout(late);
      const before = owner(lan);
      lan.start(late);
      lan.clock.advance(1000);
      expect(owner(lan)).toBe(before);
    }
  });

  test("a node that learns late of the others listens from then on", () => {
    for (const late of NODES) {
      const lan = runningWithout(late);
      const before = owner(lan);
      lan.startIgnorant(late);
      lan.clock.advance(2000);
      lan.assign(late, [announcement(ADDRESS)]);
      for (let i = 0; i < 1000; i++) {
        expect(lan.owners(ADDRESS)).toEqual([before]);
        lan.clock.advance(1);
      }
    }
  });

  test("another node takes over within 400 ms when the holder's machine dies", () => {
    for (let phase = 0; phase < 100; phase += 7) {
      const lan = startedLan();
      lan.clock.advance(phase);
      const before = owner(lan);
      lan.die(before);
      expect(waitFor(lan, 400, () => lan.owners(ADDRESS).length === 1)).toBeGreaterThan(200);
      expect(owner(lan)).not.toBe(before);
    }
  });

  test("announces a new address at once, in a burst, and then seldom", () => {
    const lan = fakeLan(["node1"], [announcement(ADDRESS)]);
    lan.start("node1");
    const taken = waitFor(lan, 1000, () => lan.owners(ADDRESS).length === 1) + 1000;
    lan.clock.advance(130_000);
    const offsets = lan.node("node1").announced.map(({ at }) => Math.round((at - taken) / 10) * 10);
    expect(offsets).toEqual([0, 50, 150, 400, 1500, 2600, 3700, 4800, 64_800, 124_800]);
  });

  test("moves the address when the holder's link goes down, and not back when it is up again", () => {
    const lan = startedLan();
    const before = owner(lan);
    lan.setLinks(before, "down");
    expect(waitFor(lan, 1000, () => lan.owners(ADDRESS).some((name) => name !== before))).toBeLessThanOrEqual(10);
    lan.clock.advance(1000);
    const after = owner(lan);
    lan.setLinks(before, "up");
    lan.clock.advance(1000);
    expect(owner(lan)).toBe(after);
  });

  test("announces its addresses anew with another hardware address of its link", () => {
    const lan = startedLan();
    const node = lan.node(owner(lan));
    lan.clock.advance(10_000);
    const changed = lan.clock.now();
    lan.setMac(node.name, Uint8Array.of(2, 0, 0, 0, 0, 9));
    lan.clock.advance(500);
    expect(node.announced.filter(({ at }) => at >= changed).length).toBe(4);
    expect(owner(lan)).toBe(node.name);
  });

  test("links that are as they were make no work; another subnet does", () => {
    const lan = startedLan();
    const node = lan.node(owner(lan));
    const { answers } = node;
    lan.setLinks(node.name, "up");
    expect(node.answers).toBe(answers);
    lan.setSubnets(node.name, ["192.168.1.0/24", "10.0.0.0/8"]);
    expect(node.answers).not.toBe(answers);
  });

  test("takes nothing when its cable is back before it has heard the others", () => {
    const lan = startedLan();
    const before = owner(lan);
    lan.setNetwork((from, to) => (from === before) === (to === before));
    lan.setLinks(before, "down");
    lan.clock.advance(2000);
    const after = owner(lan);
    lan.setNetwork(() => true);
    lan.setLinks(before, "up");
    for (let i = 0; i < 500; i++) {
      expect(lan.owners(ADDRESS)).toEqual([after]);
      lan.clock.advance(1);
    }
  });

  describe.each([{ left: [] }, { left: [ETH1] }])("whose cable was out while it had $left.length links", ({ left }) => {
    /** The holder is cut off, and back by a link that first has no address; `each` is called every millisecond after. */
    const cutAndBack = (away: number, each: (lan: FakeLan, holders: { before: string; after: string }) => void) => {
      const lan = startedLan();
      const before = owner(lan);
      for (const name of NODES) lan.setLinks(name, [ETH0, ...left]);
      lan.setNetwork((from, to) => (from === before) === (to === before));
      lan.setLinks(before, left);
      lan.clock.advance(away);
      const after = lan.owners(ADDRESS).find((name) => name !== before) ?? before;
      lan.setNetwork(() => true);
      const since = lan.clock.now();
      lan.setLinks(before, [{ ...ETH0, subnets: [] }, ...left]);
      for (let i = 0; i < 600; i++) {
        if (i === 20) lan.setLinks(before, [ETH0, ...left]);
        each(lan, { before, after });
        lan.clock.advance(1);
      }
      return { lan, before, after, announced: lan.node(before).announced.filter(({ at }) => at >= since) };
    };

    test("takes nothing and announces nothing when others took over", () => {
      const { before, after, announced } = cutAndBack(2000, (lan, { after }) =>
        expect(lan.owners(ADDRESS)).toEqual([after]),
      );
      expect(after).not.toBe(before);
      expect(announced).toEqual([]);
    });

    test("goes on when the cable was out for a moment", () => {
      const { lan, before } = cutAndBack(100, () => {});
      expect(owner(lan)).toBe(before);
    });
  });

  test("announces at once on a link that comes while it hears the others", () => {
    const lan = startedLan();
    const holder = owner(lan);
    lan.clock.advance(10_000);
    const since = lan.clock.now();
    lan.setLinks(holder, [ETH0, ETH1]);
    lan.clock.advance(10);
    expect(owner(lan)).toBe(holder);
    expect(lan.node(holder).announced.some(({ at }) => at >= since)).toBe(true);
  });

  test("takes nothing when the first link to the others comes while it listens", () => {
    const lan = startedLan();
    const before = owner(lan);
    const late = others(before)[0]!;
    lan.kill(late);
    lan.setNetwork((from, to) => from !== late && to !== late);
    lan.clock.advance(12_000);
    lan.start(late);
    lan.setLinks(late, [ETH1]);
    lan.clock.advance(390);
    lan.setNetwork(() => true);
    lan.setLinks(late, [ETH0, ETH1]);
    for (let i = 0; i < 600; i++) {
      expect(lan.owners(ADDRESS)).toEqual([before]);
      lan.clock.advance(1);
    }
  });

  test("hands over before it withdraws when the holder loses its last endpoint", () => {
    const lan = startedLan();
    const before = owner(lan);
    lan.assign(before, []);
    for (let i = 0; i < 400; i++) {
      expect(lan.owners(ADDRESS).length).toBeGreaterThan(0);
      lan.clock.advance(1);
    }
    expect(owner(lan)).not.toBe(before);
  });

  test("an address nobody wants any more is answered for 300 ms at most", () => {
    const lan = startedLan();
    for (const name of NODES) lan.assign(name, []);
    lan.clock.advance(360);
    expect(lan.owners(ADDRESS)).toEqual([]);
  });

  test("a new address goes to the best ranked node, not to the one that is ready first", () => {
    const owners = NODES.map((fastest) => {
      const lan = fakeLan(NODES, []);
      lan.startAll();
      lan.clock.advance(1000);
      lan.assign(fastest, [announcement(ADDRESS)]);
      lan.clock.advance(40);
      for (const name of others(fastest)) lan.assign(name, [announcement(ADDRESS)]);
      waitFor(lan, 50, () => lan.owners(ADDRESS).length === 1);
      lan.clock.advance(500);
      return owner(lan);
    });
    expect(new Set(owners).size).toBe(1);
  });

  test("a new address waits 150 ms at most for nodes that never become ready", () => {
    const lan = fakeLan(NODES, []);
    lan.startAll();
    lan.clock.advance(1000);
    lan.assign("node2", [announcement(ADDRESS)]);
    expect(waitFor(lan, 150, () => lan.owners(ADDRESS).length === 1)).toBeGreaterThanOrEqual(95);
  });

  test("hears nothing in what others than members send", () => {
    const lan = startedLan();
    const before = owner(lan);
    const node = lan.node(before).engine;
    const strange = {
      from: others(before)[0]!,
      echo: { epoch: 0n, sequence: 0 },
      probe: false,
      edition: 1,
      acknowledged: 0,
    };
    const stamp = { epoch: 99n, sequence: 1 };
    node.receive(new Uint8Array(500), "x");
    node.receive(encodeHeartbeat({ ...strange, stamp, phase: "left" }, [new Uint8Array(32)]), "x");
    node.receive(encodeHeartbeat({ ...strange, stamp, phase: "of another version" as never }, [KEY]), "x");
    lan.clock.advance(10);
    expect(owner(lan)).toBe(before);
    expect(Object.values(lan.node(before).status!.members)).toEqual(["alive", "alive"]);
    expect(lan.node(before).logs).toEqual(expect.arrayContaining(["member.otherVersion", "member.otherKey"]));
  });

  test("passes over a node that is not ready", () => {
    const lan = startedLan();
    const before = owner(lan);
    const [unready, ready] = others(before);
    lan.assign(unready!, []);
    lan.clock.advance(50);
    lan.die(before);
    waitFor(lan, 400, () => lan.owners(ADDRESS).length === 1);
    expect(owner(lan)).toBe(ready);
  });

  test("prefers the node with the higher score", () => {
    for (const preferred of NODES) {
      const lan = fakeLan(NODES, []);
      for (const name of NODES) lan.start(name, [announcement(ADDRESS, { score: name === preferred ? 60 : 50 })]);
      lan.clock.advance(1000);
      expect(owner(lan)).toBe(preferred);
    }
  });

  test("leave() hands the address over without a gap and with at most a moment of two owners", async () => {
    const lan = startedLan();
    const before = owner(lan);
    const left = lan.node(before).engine.leave("handOver");
    let twice = 0;
    for (let i = 0; i < 350; i++) {
      const owners = lan.owners(ADDRESS).length;
      expect(owners).toBeGreaterThan(0);
      if (owners > 1) twice++;
      lan.clock.advance(1);
    }
    await left;
    lan.clock.advance(2);
    expect(twice).toBeLessThanOrEqual(3);
    expect(owner(lan)).not.toBe(before);
    expect(lan.node(owner(lan)).status?.members[before]).toBe("lost");
  });

  test("the one before keeps the connections of an address that moved, as long as its kernel lives", () => {
    const lan = startedLan();
    const before = owner(lan);
    for (const name of others(before)) expect(lan.node(name).status!.keepers).toEqual({ [ADDRESS]: before });
    expect(lan.node(before).status!.keepers).toEqual({});
    lan.assign(before, []);
    lan.clock.advance(1000);
    const after = owner(lan);
    expect(lan.node(after).status!.keepers).toEqual({ [ADDRESS]: before });
    lan.kill(before);
    lan.clock.advance(20_000);
    expect(lan.node(after).status!.keepers).toEqual({ [ADDRESS]: before });
    lan.die(before);
    lan.clock.advance(3300);
    expect(lan.node(after).status!.keepers).toEqual({});
  });

  test("leave() ends at once on the last node", async () => {
    const lan = fakeLan(["node1"], [announcement(ADDRESS)]);
    lan.start("node1");
    lan.clock.advance(1000);
    await lan.node("node1").engine.leave("handOver");
    expect(lan.owners(ADDRESS)).toEqual([]);
  });
});

describe("Engine when the holder's program is killed", () => {
  test("another member soon answers in the holder's name, and nobody announces", () => {
    const lan = startedLan();
    const before = owner(lan);
    const rounds = NODES.map((name) => lan.node(name).announced.length);
    lan.kill(before);
    expect(waitFor(lan, 400, () => lan.answering(ADDRESS).length === 1)).toBeLessThanOrEqual(150);
    expect(lan.answering(ADDRESS)[0]).toMatchObject({ mac: before });
    lan.clock.advance(2000);
    expect(lan.answering(ADDRESS)).toEqual([expect.objectContaining({ mac: before })]);
    expect(NODES.map((name) => lan.node(name).announced.length)).toEqual(rounds);
  });

  test("another member gives the holder's hardware address on each network, and on no other", () => {
    const lan = startedLan();
    const mac = (name: string, link: number) => Uint8Array.of(2, 0, 0, 0, link, NODES.indexOf(name) + 1);
    for (const name of NODES) {
      lan.setLinks(
        name,
        [ETH0, ETH1].map((link, i) => ({ ...link, mac: mac(name, i) })),
      );
    }
    lan.clock.advance(500);
    const before = owner(lan);
    lan.kill(before);
    lan.clock.advance(1000);
    const [standIn] = lan.answering(ADDRESS);
    const { engine } = lan.node(standIn!.name);
    expect(engine.macOf(before, ETH0)).toEqual(mac(before, 0));
    expect(engine.macOf(before, { ...ETH1, name: "ens5" })).toEqual(mac(before, 1));
    expect(engine.macOf(before, { ...ETH1, name: "eth2", subnets: [] })).toBeUndefined();
  });

  test("nobody claims to answer who does not share its network", () => {
    const lan = startedLan();
    const before = owner(lan);
    lan.setLinks(before, [ETH0, { ...ETH0, name: "eth7" }]);
    for (const name of others(before)) lan.setLinks(name, [ETH1]);
    lan.clock.advance(500);
    expect(owner(lan)).toBe(before);
    lan.kill(before);
    lan.clock.advance(1000);
    expect(lan.answering(ADDRESS)).toEqual([]);
  });

  test("the holder resumes when its program is back, though it is not the best ranked", () => {
    for (const downtime of [20, 200, 1000, 4000]) {
      const lan = startedLan();
      const best = owner(lan);
      lan.die(best);
      lan.clock.advance(1000);
      lan.start(best);
      lan.clock.advance(1000);
      const before = owner(lan);
      expect(before).not.toBe(best);
      lan.kill(before);
      lan.clock.advance(downtime);
      lan.start(before);
      for (let i = 0; i < 200; i++) {
        lan.clock.advance(5);
        for (const { mac } of lan.answering(ADDRESS)) expect(mac).toBe(before);
      }
      expect(owner(lan)).toBe(before);
      expect(lan.answering(ADDRESS)).toEqual([{ name: before, mac: before }]);
    }
  });

  test("its address moves when the program stays away", () => {
    const lan = startedLan();
    const before = owner(lan);
    lan.kill(before);
    const moved = waitFor(lan, 11_000, () => lan.owners(ADDRESS).length === 1);
    expect(moved).toBeGreaterThan(9000);
    lan.start(before);
    lan.clock.advance(1000);
    expect(owner(lan)).not.toBe(before);
  });

  test("its address moves when the machine dies too", () => {
    const lan = startedLan();
    const before = owner(lan);
    lan.kill(before);
    lan.clock.advance(500);
    lan.die(before);
    expect(waitFor(lan, 3000, () => lan.owners(ADDRESS).length === 1)).toBeLessThanOrEqual(2600);
  });
});

describe("Engine that pauses for a restart", { timeout: 30_000 }, () => {
  const pause = async (lan: FakeLan, name: string) => {
    const left = lan.node(name).engine.leave("pause");
    lan.clock.advance(10);
    await left;
    lan.clock.advance(2);
    lan.kill(name);
  };

  test("is answered for in its own name without a gap, also when the restart takes long", async () => {
    for (const downtime of [200, 6000, 20_000]) {
      const lan = startedLan();
      const before = owner(lan);
      await pause(lan, before);
      for (let waited = 0; waited < downtime; waited += 20) {
        expect(lan.answering(ADDRESS)).toEqual([expect.objectContaining({ mac: before })]);
        lan.clock.advance(20);
      }
      lan.start(before);
      for (let i = 0; i < 200; i++) {
        expect(lan.answering(ADDRESS).map(({ mac }) => mac)).toContain(before);
        expect(new Set(lan.answering(ADDRESS).map(({ mac }) => mac)).size).toBe(1);
        lan.clock.advance(5);
      }
      expect(owner(lan)).toBe(before);
    }
  });

  test("goes on answering until another one does", async () => {
    const lan = startedLan();
    const before = owner(lan);
    let ended = false;
    const left = lan
      .node(before)
      .engine.leave("pause")
      .then(() => {
        ended = true;
      });
    await Promise.resolve();
    expect(ended).toBe(false);
    expect(lan.answering(ADDRESS)).toEqual([{ name: before, mac: before }]);
    lan.clock.advance(10);
    await left;
    expect(lan.answering(ADDRESS).some(({ name }) => name !== before)).toBe(true);
  });

  test("loses its address when the restart never ends", async () => {
    const lan = startedLan();
    const before = owner(lan);
    await pause(lan, before);
    const moved = waitFor(lan, 40_000, () => lan.owners(ADDRESS).length === 1);
    expect(moved).toBeGreaterThan(29_000);
    expect(owner(lan)).not.toBe(before);
  });

  test("loses its address soon when its machine goes down meanwhile", async () => {
    const lan = startedLan();
    const before = owner(lan);
    await pause(lan, before);
    lan.clock.advance(3000);
    lan.die(before);
    expect(waitFor(lan, 3000, () => lan.owners(ADDRESS).length === 1)).toBeLessThanOrEqual(2600);
  });

  test("on the only node there is ends at once", async () => {
    const lan = fakeLan(["node1"], [announcement(ADDRESS)]);
    lan.start("node1");
    lan.clock.advance(1000);
    await lan.node("node1").engine.leave("pause");
  });
});

describe("Engine with better and worse nodes", () => {
  test("a node in the address's subnet is elected before any preference, and takes the address back", () => {
    const lan = fakeLan(NODES, []);
    for (const name of NODES) lan.start(name, [announcement("10.9.9.9", { score: name === "node1" ? 0 : 100 })]);
    lan.setSubnets("node1", ["10.9.9.0/24"]);
    lan.clock.advance(6000);
    expect(owner(lan, "10.9.9.9")).toBe("node1");
    lan.setLinks("node1", "down");
    lan.clock.advance(1000);
    expect(owner(lan, "10.9.9.9")).not.toBe("node1");
    lan.setSubnets("node1", ["10.9.9.0/24"]);
    for (let i = 0; i < 1400; i++) {
      lan.clock.advance(5);
      expect(lan.owners("10.9.9.9").length).toBeGreaterThan(0);
    }
    expect(owner(lan, "10.9.9.9")).toBe("node1");
  });

  test("an edited preference moves the address without a gap, and its end moves nothing", () => {
    const lan = startedLan();
    lan.clock.advance(6000);
    const before = owner(lan);
    const target = others(before)[0]!;
    lan.assign(target, [announcement(ADDRESS, { score: 50 })]);
    for (let i = 0; i < 50; i++) {
      expect(lan.owners(ADDRESS).length).toBeGreaterThan(0);
      lan.clock.advance(1);
    }
    expect(owner(lan)).toBe(target);
    lan.assign(target, [announcement(ADDRESS)]);
    lan.clock.advance(10_000);
    expect(owner(lan)).toBe(target);
  });

  test("with the revertive rule the best ranked node gets its address back", () => {
    const rule = "revertive" as const;
    const lan = fakeLan(NODES, [announcement(ADDRESS, { rule })]);
    lan.startAll();
    lan.clock.advance(1000);
    const best = owner(lan);
    lan.die(best);
    lan.clock.advance(1000);
    expect(owner(lan)).not.toBe(best);
    lan.start(best);
    lan.clock.advance(4000);
    expect(owner(lan)).not.toBe(best);
    lan.clock.advance(2000);
    expect(owner(lan)).toBe(best);
  });

  test("with the spread rule no node gets many more addresses than the others", () => {
    const addresses = Array.from({ length: 60 }, (_, i) => `192.168.1.${100 + i}`);
    const most = (lan: FakeLan) =>
      Math.max(...NODES.map((name) => addresses.filter((a) => lan.owners(a)[0] === name).length));
    const announcements = (rule: "sticky" | "spread") => addresses.map((address) => announcement(address, { rule }));
    const plain = fakeLan(NODES, announcements("sticky"));
    plain.startAll();
    plain.clock.advance(1000);
    const lan = fakeLan(NODES, announcements("spread"));
    lan.startAll();
    lan.clock.advance(1000);
    for (const address of addresses) owner(lan, address);
    expect(most(lan)).toBeLessThanOrEqual(25);
    expect(most(lan)).toBeLessThanOrEqual(most(plain));
    lan.die(owner(lan, addresses[0]));
    lan.clock.advance(1000);
    for (const address of addresses) owner(lan, address);
    expect(most(lan)).toBeLessThanOrEqual(38);
  });

  test("a preferred node that comes and goes drags nothing along", () => {
    const lan = startedLan();
    const before = owner(lan);
    const flapping = others(before)[0]!;
    for (let round = 0; round < 10; round++) {
      lan.assign(flapping, [announcement(ADDRESS, { score: 50 })]);
      if (round === 0) continue;
      lan.die(flapping);
      lan.clock.advance(2000);
      lan.start(flapping, [announcement(ADDRESS, { score: 50 })]);
      lan.clock.advance(3000);
      expect(owner(lan)).toBe(before);
    }
  });
});

describe("Engine tells", () => {
  test("why it took an address, and how long a loss took to be noticed", () => {
    const lan = startedLan();
    const before = owner(lan);
    expect(lan.node(before).happenings).toContainEqual({ kind: "took", address: ADDRESS, reason: "free" });
    lan.die(before);
    lan.clock.advance(1000);
    const { happenings } = lan.node(owner(lan));
    expect(happenings).toContainEqual({ kind: "took", address: ADDRESS, reason: "holderLost" });
    const lost = happenings.find(({ kind }) => kind === "memberLost");
    expect(lost).toMatchObject({ member: before, silence: expect.closeTo(400, -2) });
  });

  test("of another host with its address once in a while, and defends it", () => {
    const lan = startedLan();
    lan.clock.advance(10_000);
    const holder = lan.node(owner(lan));
    const foreigner = { address: ADDRESS, mac: "02:00:00:00:00:99", interface: "eth0" };
    const announced = holder.announced.length;
    for (let i = 0; i < 10; i++) holder.engine.meet(foreigner);
    expect(holder.happenings.filter(({ kind }) => kind === "foreigner")).toHaveLength(1);
    expect(holder.announced.length).toBe(announced + 1);
    lan.node(others(holder.name)[0]!).engine.meet(foreigner);
    expect(lan.node(others(holder.name)[0]!).happenings.some(({ kind }) => kind === "foreigner")).toBe(false);
  });

  test("a member with another key, once", () => {
    const lan = startedLan();
    const [first, second] = NODES;
    lan.node(second!).engine.setKey(new Uint8Array(32).fill(1));
    lan.clock.advance(2000);
    expect(lan.node(first!).logs.filter((event) => event === "member.otherKey")).toHaveLength(1);
  });

  test("nothing while the key is replaced on one node after the other", () => {
    const lan = startedLan();
    const before = owner(lan);
    const [old, next] = [Buffer.from("the old key, 16 or more"), Buffer.from("the next key, 16 or more")];
    const line = Buffer.from("\n");
    for (const key of [Buffer.concat([KEY, line, old]), old, Buffer.concat([next, line, old]), next]) {
      for (const name of NODES) {
        lan.node(name).engine.setKey(key);
        lan.clock.advance(1000);
        expect(owner(lan)).toBe(before);
      }
    }
    for (const name of NODES) expect(Object.values(lan.node(name).status!.members)).toEqual(["alive", "alive"]);
  });
});

describe("Engine held up", () => {
  test.each(["timers", "datagrams"] as const)("a frozen holder is replaced, and wakes up silent: %s first", (first) => {
    const lan = startedLan();
    const before = owner(lan);
    lan.stop(before);
    waitFor(lan, 400, () => lan.owners(ADDRESS).length === 1);
    const after = owner(lan);
    lan.clock.advance(3000);
    lan.resume(before, first);
    for (let i = 0; i < 500; i++) {
      expect(lan.owners(ADDRESS)).toEqual([after]);
      lan.clock.advance(1);
    }
  });

  test("a frozen holder announces nothing when it wakes up, whatever fell due", () => {
    for (let early = 0; early < 60; early += 3) {
      const lan = fakeLan(NODES, [announcement(ADDRESS)]);
      lan.startAll();
      waitFor(lan, 200, () => lan.owners(ADDRESS).length === 1);
      const before = owner(lan);
      lan.clock.advance(1500 - early); // the next announcement is due after 1500 ms
      lan.stop(before);
      lan.clock.advance(3000);
      const resumed = lan.clock.now();
      lan.resume(before);
      lan.clock.advance(1000);
      expect(lan.node(before).announced.filter(({ at }) => at >= resumed)).toEqual([]);
    }
  });

  test("goes on when everybody was frozen together", () => {
    const lan = startedLan();
    const before = owner(lan);
    for (const name of NODES) lan.stop(name);
    lan.clock.advance(5000);
    for (const name of NODES) lan.resume(name);
    waitFor(lan, 500, () => lan.owners(ADDRESS).length === 1);
    expect(owner(lan)).toBe(before);
  });

  test("a node held up right after it heard something claims nothing when it goes on", () => {
    for (let phase = 0; phase < 60; phase++) {
      const lan = startedLan();
      const before = owner(lan);
      const idle = others(before)[0]!;
      lan.clock.advance(phase);
      lan.stop(idle);
      lan.clock.advance(400);
      lan.resume(idle);
      for (let i = 0; i < 300; i++) {
        expect(lan.owners(ADDRESS)).toEqual([before]);
        lan.clock.advance(1);
      }
      expect(lan.node(idle).happenings).toEqual([]);
    }
  });

  test.each([
    { held: 300, free: 1, from: "on" },
    { held: 260, free: 60, from: "on" },
    { held: 1000, free: 20, from: "on" },
    { held: 300, free: 1, from: "its start on" },
  ])("a node held up for $held ms again and again, from $from, listens no longer than it must", (slowness) => {
    const lan = startedLan();
    const before = owner(lan);
    const slow = others(before)[0]!;
    if (slowness.from === "its start on") {
      lan.kill(slow);
      lan.start(slow);
    }
    const taking: boolean[] = [];
    for (let round = 0; round < 20; round++) {
      lan.stop(slow);
      lan.clock.advance(slowness.held);
      lan.resume(slow);
      lan.clock.advance(slowness.free);
      taking.push(lan.node(slow).status?.listening === false);
      expect(lan.owners(ADDRESS)).toEqual([before]);
    }
    expect(taking.filter(Boolean).length).toBeGreaterThan(2);
  });

  test("a short stall moves nothing", () => {
    const lan = startedLan();
    const before = owner(lan);
    for (let round = 0; round < 20; round++) {
      for (const name of NODES) {
        lan.stop(name);
        lan.clock.advance(180);
        lan.resume(name);
        lan.clock.advance(60);
        expect(owner(lan)).toBe(before);
      }
    }
  });
});

describe("Engine and clocks", () => {
  afterEach(() => void vi.useRealTimers());

  const losses = (lan: FakeLan) =>
    NODES.flatMap((name) => lan.node(name).happenings.filter(({ kind }) => kind === "memberLost"));

  test("a wall clock that jumps to and fro moves nothing and loses nobody", () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const lan = startedLan();
    const before = owner(lan);
    for (let i = 0; i < 400; i++) {
      if (i % 20 === 0) vi.setSystemTime(Date.now() + (i % 40 === 0 ? 3_600_000 : -3_600_000));
      lan.clock.advance(5);
      expect(lan.owners(ADDRESS)).toEqual([before]);
    }
    expect(losses(lan)).toEqual([]);
  });

  test("a node whose time jumps ahead by an hour gives its own addresses up, but nobody else for lost", () => {
    for (const jumping of NODES) {
      const lan = startedLan();
      const before = owner(lan);
      lan.jump(jumping, 3_600_000);
      for (let i = 0; i < 1000; i++) {
        expect(lan.owners(ADDRESS).length).toBeLessThanOrEqual(1);
        if (jumping !== before) expect(lan.owners(ADDRESS)).toEqual([before]);
        lan.clock.advance(1);
      }
      owner(lan);
      expect(losses(lan)).toEqual([]);
    }
  });
});

/** What may befall a node or the network. */
const EVENTS = "kill die start stop resume cut heal loss unready ready unplug plug forget name".split(" ");

describe("Engine on a bad network", () => {
  test("10 % loss moves nothing in ten minutes", () => {
    const lan = startedLan();
    const before = owner(lan);
    const dice = fakeDice();
    lan.setNetwork(() => dice() % 10 !== 0);
    for (let i = 0; i < 6000; i++) {
      lan.clock.advance(100);
      expect(lan.owners(ADDRESS)).toEqual([before]);
    }
  }, 60_000);

  test("a partition has an owner on each side, and one again right after it heals", () => {
    for (const alone of NODES) {
      const lan = startedLan();
      lan.setNetwork((from, to) => (from === alone) === (to === alone));
      lan.clock.advance(2000);
      expect(lan.owners(ADDRESS)).toHaveLength(2);
      lan.setNetwork(() => true);
      expect(waitFor(lan, 1000, () => lan.owners(ADDRESS).length === 1)).toBeLessThanOrEqual(120);
      const after = owner(lan);
      const healed = lan.clock.now();
      lan.clock.advance(1000);
      expect(owner(lan)).toBe(after);
      expect(lan.node(after).announced.filter(({ at }) => at >= healed - 120).length).toBeGreaterThanOrEqual(4);
    }
  });

  test("a node that hears but is not heard gives way", () => {
    for (const mute of NODES) {
      const lan = startedLan();
      lan.setNetwork((from) => from !== mute);
      lan.clock.advance(1000);
      expect(owner(lan)).not.toBe(mute);
      lan.setNetwork(() => true);
      lan.clock.advance(1000);
      owner(lan);
    }
  });

  const pairs = NODES.flatMap((from) => others(from).map((to) => [from, to] as const));
  test.each(pairs)(
    "a cut one way, from %s to %s, ends with one owner within a second, and so does its end",
    (from, to) => {
      const lan = startedLan();
      lan.setNetwork((sender, receiver) => sender !== from || receiver !== to);
      lan.clock.advance(1000);
      for (let i = 0; i < 300; i++) {
        owner(lan);
        lan.clock.advance(10);
      }
      lan.setNetwork(() => true);
      lan.clock.advance(1000);
      owner(lan);
    },
  );

  test("whatever happens, there is one owner a second after it stops", () => {
    const event = fc.record({
      kind: fc.constantFrom(...EVENTS),
      node: fc.constantFrom(...NODES),
      wait: fc.integer({ min: 0, max: 900 }),
    });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 25 }), (events) => {
        const lan = startedLan();
        const dice = fakeDice();
        for (const { kind, node, wait } of events) {
          const { state } = lan.node(node);
          if (kind === "kill" && state === "up") lan.kill(node);
          if (kind === "die" && state === "up") lan.die(node);
          if (kind === "start" && (state === "killed" || state === "dead")) lan.start(node);
          if (kind === "stop" && state === "up") lan.stop(node);
          if (kind === "resume" && state === "stopped") lan.resume(node);
          if (kind === "cut") lan.setNetwork((from, to) => (from === node) === (to === node));
          if (kind === "heal") lan.setNetwork(() => true);
          if (kind === "unplug" && state === "up") {
            lan.setNetwork((from, to) => (from === node) === (to === node));
            lan.setLinks(node, [ETH1]);
          }
          if (kind === "plug" && state === "up") {
            lan.setNetwork(() => true);
            lan.setLinks(node, [ETH0, ETH1]);
          }
          if (kind === "forget") lan.setMember(node, "unnamed");
          if (kind === "name") lan.setMember(node, "named");
          if (kind === "loss") lan.setNetwork(() => dice() % 3 !== 0);
          if (kind === "unready" && state === "up") lan.assign(node, []);
          if (kind === "ready" && state === "up") lan.assign(node, [announcement(ADDRESS)]);
          lan.clock.advance(wait);
        }
        lan.setNetwork(() => true);
        for (const node of NODES) {
          const { state } = lan.node(node);
          if (state === "stopped") lan.resume(node);
          if (state === "killed" || state === "dead") lan.start(node);
          lan.setLinks(node, [ETH0, ETH1]);
          lan.assign(node, [announcement(ADDRESS)]);
        }
        for (const node of NODES) lan.setMember(node, "named");
        lan.clock.advance(1000);
        owner(lan);
      }),
      { numRuns: 60 },
    );
  }, 60_000);
});
