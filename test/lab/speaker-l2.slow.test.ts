import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { exec } from "../../linux/mod.ts";
import { waitFor } from "../support/wait.ts";
import type { ArpSighting } from "./support/arp-probe.ts";
import {
  ADDRESS,
  nodeObject,
  type Probe,
  type SpeakerLab,
  type SpeakerNode,
  startSpeakerLab,
  webService,
  webSlice,
} from "./support/speaker-lab.ts";

let lab: SpeakerLab;

beforeAll(async () => {
  lab = await startSpeakerLab();
  await lab.holder(30_000); // the processes start slowly on a busy machine
});
afterAll(() => lab[Symbol.asyncDispose]());

/** Hardware addresses that arping hears for the address, every one that answers. */
async function arping(): Promise<string[]> {
  const output = await lab.client("arping", "-I", "eth0", "-b", "-w", "3", ADDRESS);
  const macs = [...output.matchAll(/reply from \S+ \[([0-9A-F:]+)\]/g)].map(([, mac]) => mac!.toLowerCase());
  return [...new Set(macs)];
}

const allAlive = () =>
  waitFor(
    "all members to hear each other",
    async () => {
      const answers = await Promise.all(lab.nodes.map((node) => node.order({ kind: "tell" })));
      return answers.every(({ state }) => Object.values(state.members).every((reach) => reach === "alive"));
    },
    { deadline: 20_000 },
  );

/** The holder, once it is the one that answers: on a loaded machine a node may be held up and replaced at any time. */
async function answeringHolder(probe: Probe): Promise<SpeakerNode> {
  return waitFor(
    "the holder to answer",
    async () => {
      const holder = await lab.holder();
      return probe.sightings.at(-1)?.mac === holder.mac && holder;
    },
    { deadline: 20_000 },
  );
}

describe("startSpeaker() on three nodes", () => {
  test("arping hears exactly one owner", async () => {
    const holder = await lab.holder();
    expect(await arping()).toEqual([holder.mac]);
  });

  test("says so in an event, in metrics and in its state", async () => {
    const holder = await lab.holder();
    await waitFor(
      "the counters",
      async () => (await holder.order({ kind: "tell" })).metrics.includes("metallb_layer2_responses_sent{"),
      { deadline: 3000 },
    );
    const { events, metrics, state, ready } = await holder.order({ kind: "tell" });
    expect(ready).toBe(true);
    expect(events).toEqual([
      `default/web Normal nodeAssigned: announcing from node "${holder.name}" with protocol "layer2"`,
    ]);
    expect(metrics).toContain(
      `metallb_speaker_announced{service="default/web",protocol="layer2",node="${holder.name}",ip="${ADDRESS}"} 1`,
    );
    expect(metrics).toMatch(/metallb_layer2_gratuitous_sent\{ip="192\.168\.1\.100"\} \d+/);
    expect(state.addresses[0]).toMatchObject({ address: ADDRESS, holder: holder.name, services: ["default/web"] });
    for (const node of lab.nodes.filter(({ name }) => name !== holder.name)) {
      const other = await node.order({ kind: "tell" });
      expect(other.events).toEqual([]);
      expect(other.metrics).not.toContain("metallb_speaker_announced{");
      expect(other.state.addresses[0]).toMatchObject({ holder: holder.name, stance: "ready" });
    }
  });

  test("a main thread blocked for 3 s changes nothing", async () => {
    using probe = await lab.probe();
    const holder = await answeringHolder(probe);
    const since = Date.now();
    await holder.order({ kind: "block", milliseconds: 3000 });
    const during = probe.sightings.filter(({ at }) => at >= since && at < since + 3000);
    expect(new Set(during.map(({ mac }) => mac))).toEqual(new Set([holder.mac]));
    expect(during.length).toBeGreaterThan(200);
    expect((await lab.holder()).name).toBe(holder.name);
  });
});

describe("startSpeaker() fails over", () => {
  /** Milliseconds until the client hears another owner after `cut`; everything is well again afterwards. */
  async function outage(cut: (holder: SpeakerNode) => unknown, mend: (holder: SpeakerNode) => unknown) {
    await allAlive();
    using probe = await lab.probe();
    const holder = await answeringHolder(probe);
    await pause(Math.random() * 100); // whatever the phase of the heartbeats
    const since = Date.now();
    await cut(holder);
    const took = await probe.firstAnswer(since, ({ mac }) => mac !== holder.mac, 3000);
    await mend(holder);
    await allAlive();
    const after = await lab.holder();
    const announced = (kind: ArpSighting["kind"]) =>
      probe.sightings.some((sighting) => sighting.at >= since && sighting.kind === kind && sighting.mac === after.mac);
    const both = () => announced("gratuitous request") && announced("gratuitous reply");
    await waitFor("a gratuitous request and reply of the new holder", both, { deadline: 1000 });
    return took;
  }

  function report(what: string, outages: readonly number[]) {
    console.log(`${what}: ${[...outages].sort((a, b) => a - b).join(", ")} ms`);
  }

  /** Sets whether the bridge forwards for a node whose link stays up all the time: a cable cut further away. */
  const setForwarding = async (name: string, state: "0" | "3") => {
    const bridge = ["-n", lab.topology.lan.netns, "link", "set", "dev", name, "state", state];
    await exec("bridge", bridge);
  };

  test("when the holder's cable is pulled", async () => {
    const runs: number[] = [];
    for (let run = 0; run < 6; run++) {
      const took = await outage(
        ({ name }) => lab.topology.cutLink(name),
        ({ name }) => lab.topology.restoreLink(name),
      );
      runs.push(took);
    }
    report("cable pulled", runs);
    expect(Math.max(...runs)).toBeLessThan(1000);
  });

  test("when the holder is cut off behind a link that stays up, and has one owner again when it is back", async () => {
    const runs: number[] = [];
    for (let run = 0; run < 3; run++) {
      const took = await outage(
        ({ name }) => setForwarding(name, "0"),
        ({ name }) => setForwarding(name, "3"),
      );
      runs.push(took);
    }
    report("cut off", runs);
    expect(Math.max(...runs)).toBeLessThan(1000);
  });

  test("when the holder freezes", async () => {
    const runs: number[] = [];
    for (let run = 0; run < 4; run++) {
      const took = await outage(
        ({ process }) => process.kill("SIGSTOP"),
        ({ process }) => process.kill("SIGCONT"),
      );
      runs.push(took);
    }
    report("frozen", runs);
    expect(Math.max(...runs)).toBeLessThan(1000);
  });

  /** The longest time between two answers, milliseconds. */
  const longestPause = (sightings: readonly ArpSighting[]) => {
    const answers = sightings.filter(({ kind }) => kind === "answer");
    return Math.max(...answers.slice(1).map(({ at }, i) => at - answers[i]!.at));
  };

  test("on SIGTERM of a cordoned node another node answers before it stops", async () => {
    await allAlive();
    using probe = await lab.probe();
    const holder = await answeringHolder(probe);
    const host = lab.topology.nodes.find(({ name }) => name === holder.name)!;
    await holder.order({ kind: "nodes", nodes: [nodeObject(host, { unschedulable: true })] });
    const since = Date.now();
    holder.process.kill("SIGTERM");
    await waitFor("the speaker's end", () => holder.process.exitCode === 0, { deadline: 5000 });
    const after = await lab.holder();
    await probe.firstAnswer(since, ({ mac }) => mac === after.mac, 1000);
    const pauses = longestPause(probe.sightings.filter(({ at }) => at >= since - 50));
    report("longest pause between answers on SIGTERM", [pauses]);
    expect(pauses).toBeLessThan(300);
    holder.start();
    await allAlive();
    await lab.holder();
  });

  test("on SIGTERM of any other node it is answered for in its own name until it is back", async () => {
    await allAlive();
    using probe = await lab.probe();
    const holder = await answeringHolder(probe);
    const since = Date.now();
    holder.process.kill("SIGTERM");
    await waitFor("the speaker's end", () => holder.process.exitCode === 0, { deadline: 5000 });
    await probe.firstAnswer(Date.now(), ({ source }) => source !== holder.mac, 1000);
    await pause(6000); // longer than an unplanned restart may take
    const again = Date.now();
    holder.start();
    await probe.firstAnswer(again, ({ source }) => source === holder.mac, 15_000);
    await allAlive();
    expect((await lab.holder()).name).toBe(holder.name);
    const seen = probe.sightings.filter(({ at }) => at >= since);
    expect(new Set(seen.map(({ mac }) => mac))).toEqual(new Set([holder.mac]));
    const pauses = longestPause(seen);
    report("longest pause between answers during a restart", [pauses]);
    expect(pauses).toBeLessThan(500);
  });
});

describe("startSpeaker() on a bad network", () => {
  test("loses nothing to the loss of every tenth heartbeat", async () => {
    await allAlive();
    const holder = await lab.holder();
    const loss = "add table inet loss; add chain inet loss in { type filter hook input priority 0; }; ";
    const rule = "add rule inet loss in udp dport 7475 numgen random mod 10 == 0 drop";
    const nft = (netns: string, command: string) => exec("ip", ["netns", "exec", netns, "nft", command]);
    const events = async () =>
      (await Promise.all(lab.nodes.map(async (node) => (await node.order({ kind: "tell" })).events.length))).join();
    const before = await events();
    for (const { netns } of lab.nodes) await nft(netns, loss + rule);
    await pause(10_000);
    for (const { netns } of lab.nodes) await nft(netns, "delete table inet loss");
    expect(await events()).toBe(before);
    expect((await lab.holder()).name).toBe(holder.name);
  });

  test("reports another host that uses the address, and goes on answering", async () => {
    const holder = await lab.holder();
    await pause(1000); // others may speak for the address for as long after it was taken
    await lab.client("ip", "address", "add", `${ADDRESS}/32`, "dev", "eth0");
    try {
      await lab.client("arping", "-A", "-c", "2", "-I", "eth0", ADDRESS);
      const reported = async () =>
        (await holder.order({ kind: "tell" })).events.find((each) => each.includes("duplicate"));
      expect(await waitFor("the event", reported, { deadline: 3000 })).toMatch(
        /^default\/web Warning duplicateAddress: another host, [0-9a-f:]+ on interface eth0, uses address 192\.168\.1\.100 too/,
      );
    } finally {
      await lab.client("ip", "address", "del", `${ADDRESS}/32`, "dev", "eth0");
    }
    expect(await arping()).toEqual([holder.mac]);
  });

  test("arping finds the address taken when it looks for duplicates", async () => {
    await expect(lab.client("arping", "-D", "-c", "2", "-w", "3", "-I", "eth0", ADDRESS)).rejects.toThrow();
    await lab.client("arping", "-D", "-c", "1", "-w", "2", "-I", "eth0", "192.168.1.140");
  });
});

describe("startSpeaker() with policy Local", () => {
  test("goes where the endpoint goes, without a pause, and waits for the rules there", async () => {
    await allAlive();
    for (const node of lab.nodes) {
      await node.order({ kind: "services", services: [webService({ externalTrafficPolicy: "Local" })] });
    }
    using probe = await lab.probe();
    await probe.firstAnswer(0, () => true, 10_000);
    for (const target of lab.nodes) {
      await target.order({ kind: "program", services: [] });
      for (const node of lab.nodes) await node.order({ kind: "slices", slices: [webSlice([target.name])] });
      await target.order({ kind: "program", services: ["default/web"] });
      const arrived = async () => (await lab.holder()).name === target.name;
      await waitFor(`the address on ${target.name}`, arrived, { deadline: 2000 });
    }
    const answers = probe.sightings.filter(({ kind }) => kind === "answer");
    const gaps = answers.slice(1).map(({ at }, i) => at - answers[i]!.at);
    console.log(`longest pause between answers while the endpoint moved: ${Math.max(...gaps)} ms`);
    expect(Math.max(...gaps)).toBeLessThan(150);
    for (const node of lab.nodes) {
      await node.order({ kind: "slices", slices: [webSlice(lab.nodes.map(({ name }) => name))] });
      await node.order({ kind: "services", services: [webService()] });
    }
  });
});

describe("startSpeaker() killed with SIGKILL", () => {
  test("is answered for in its own name until it is back, and then goes on", async () => {
    await allAlive();
    using probe = await lab.probe();
    const holder = await answeringHolder(probe);
    const since = Date.now();
    holder.process.kill("SIGKILL");
    const took = await probe.firstAnswer(since, ({ source }) => source !== holder.mac, 2000);
    console.log(`answered for by another node after ${took} ms`);
    expect(took).toBeLessThan(500);
    holder.start();
    const back = Date.now();
    const resumed = await probe.firstAnswer(back, ({ source }) => source === holder.mac, 15_000);
    console.log(`answers itself ${resumed} ms after it was started again`);
    await allAlive();
    expect((await lab.holder()).name).toBe(holder.name);
    const seen = probe.sightings.filter(({ at }) => at >= since);
    expect(new Set(seen.map(({ mac }) => mac))).toEqual(new Set([holder.mac]));
  });
});
