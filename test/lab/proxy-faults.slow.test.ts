import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { objectKey } from "../../kube/mod.ts";
import { kernelOf, removeRules } from "../../proxy/mod.ts";
import { waitFor } from "../support/wait.ts";
import { type Crowd, putCrowd } from "./support/proxy-crowd.ts";
import {
  createProxyLab,
  HOMES,
  type Home,
  homeKernel,
  NODE_NETNS,
  type ProxyLab,
  sortedRules,
} from "./support/proxy-lab.ts";
import { ProxyProcess } from "./support/proxy-process.ts";

/** How many times the proxy is killed for each home of rules; `FAULT_KILLS=100` for the long run. */
const KILLS = Number(process.env.FAULT_KILLS ?? 3);
/** What the moments follow from. */
const SEED = Number(process.env.FAULT_SEED ?? Date.now() % 1_000_000);
const VIP = "192.168.1.100";
/** Milliseconds: below the second after which a client that lost its first packet sends another. */
const ANSWER = 900;
/** Services whose change takes several transactions of nftables, or about as long in iptables. */
const CROWD: Record<Home, number> = { nftables: 1500, "iptables-nft": 150, "iptables-legacy": 300 };
/** Milliseconds a test may take. */
const PATIENCE = 120_000 + KILLS * 15_000;

let lab: ProxyLab;
let running: ProxyProcess | undefined;
let state = SEED;

beforeAll(async () => {
  lab = await createProxyLab();
});
afterEach(async () => {
  await running?.kill();
  running = undefined;
  await removeRules(kernelOf(lab.netns));
});
afterAll(() => lab.remove());

/** Numerical Recipes' linear congruential generator: 0 to 1. */
function random(): number {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32;
}

async function start(home: Home, crowd: Crowd): Promise<ProxyProcess> {
  running = new ProxyProcess(home, crowd);
  await running.settled(crowd.turn);
  return running;
}

/** Asks Service "web", which nothing is done to, as fast as it answers. The result: what it answered wrongly. */
async function whileServed(work: () => Promise<void>): Promise<{ readonly asked: number; readonly wrong: string[] }> {
  const wrong: string[] = [];
  let asked = 0;
  let stopped = false;
  const asking = (async () => {
    for (; !stopped; asked++) {
      const answer = await lab.hosts.client.ask(VIP, 80, { timeout: ANSWER });
      if (!answer.startsWith("pod")) wrong.push(`${new Date().toISOString()} ${answer}`);
    }
  })();
  try {
    await work();
  } finally {
    stopped = true;
    await asking;
  }
  return { asked, wrong };
}

/** Every rule and element of the proxy in the order of their text, without counters. */
async function ownRules(home: Home): Promise<string> {
  if (home === "nftables") return sortedRules(await lab.run("nft", "list", "table", "ip", "ironbridge-proxy"));
  const save = `iptables-${home === "iptables-nft" ? "nft" : "legacy"}-save`;
  const texts = [await lab.run(save, "-t", "nat"), await lab.run(save, "-t", "filter")];
  return sortedRules(texts.join("\n").replace(/^(?!.*IRON-).*$/gm, ""));
}

describe.each(HOMES)("%s", (home) => {
  const size = CROWD[home];

  test(
    `serves all the while and comes to the right rules when killed ${KILLS} times, seed ${SEED}`,
    async () => {
      const want: string[] = [];
      const took: number[] = [];
      await start(home, { size, turn: 0 });
      for (const turn of [1, 2]) {
        const begin = performance.now();
        running?.become({ size, turn });
        await running?.settled(turn);
        took.push(performance.now() - begin);
        // As the next start leaves them: it also takes away chains that only an earlier turn needed.
        await running?.kill();
        await start(home, { size, turn });
        want[turn % 2] = await ownRules(home);
      }
      await running?.kill();
      const change = Math.max(...took);
      let turn = 2;
      const { asked, wrong } = await whileServed(async () => {
        for (let i = 0; i < KILLS; i++) {
          turn++;
          running = new ProxyProcess(home, { size, turn });
          // Half of them while it starts and finds the rules of another turn, half amid a change.
          if (i % 2 === 0) await pause(random() * (500 + change));
          else {
            await running.settled(turn);
            turn++;
            running.become({ size, turn });
            await pause(random() * change);
          }
          await running.kill();
          if (i % 5 !== 4) continue;
          await start(home, { size, turn });
          expect(await ownRules(home)).toBe(want[turn % 2]);
          await running.kill();
        }
      });
      expect(wrong).toEqual([]);
      expect(asked).toBeGreaterThan(KILLS);
    },
    PATIENCE,
  );

  test(
    "waits for others that hold what it needs, and serves meanwhile",
    async () => {
      await start(home, { size, turn: 0 });
      const { wrong } = await whileServed(async () => {
        const other = home === "iptables-legacy" ? holdXtablesLock(1.5) : loadTables(5);
        running?.become({ size, turn: 1 });
        await running?.settled(1);
        await other;
      });
      expect(wrong).toEqual([]);
    },
    PATIENCE,
  );
});

test.each(HOMES)(
  "%s: serves all the while and comes to the right rules when a write fails half way",
  async (home) => {
    const size = CROWD[home];
    const kernel = homeKernel(lab.netns, home);
    let scriptsLeft = Number.POSITIVE_INFINITY;
    let failures = 0;
    /** The first part of what is to be written is written, the rest is not. */
    const half = async (script: string, write: (script: string) => Promise<void>) => {
      if (scriptsLeft-- > 0) return write(script);
      scriptsLeft = Number.POSITIVE_INFINITY;
      failures++;
      await write(script.slice(0, script.indexOf("COMMIT\n") + "COMMIT\n".length));
      throw new Error("refused by the test");
    };
    putCrowd(lab.stores, { size, turn: 0 });
    const proxy = await lab.start(
      home,
      {
        kernel: {
          ...kernel,
          nft: async () => {
            const nft = await kernel.nft();
            return { ...nft, apply: (script) => half(script, nft.apply) };
          },
          iptables: async (family, variant) => {
            const iptables = await kernel.iptables(family, variant);
            return { ...iptables, restore: (script) => half(script, iptables.restore) };
          },
        },
      },
      60_000,
    );
    try {
      putCrowd(lab.stores, { size, turn: 1 });
      await proxy.settled();
      const want = await ownRules(home);
      const { wrong } = await whileServed(async () => {
        for (const place of home === "nftables" ? [0, 1, 2] : [0]) {
          putCrowd(lab.stores, { size, turn: 0 });
          await proxy.settled();
          scriptsLeft = place;
          putCrowd(lab.stores, { size, turn: 1 });
          await proxy.settled();
          expect(await ownRules(home)).toBe(want);
        }
      });
      expect(failures).toBe(home === "nftables" ? 3 : 1);
      expect(wrong).toEqual([]);
    } finally {
      await proxy.stop();
      for (const service of lab.stores.services.list()) lab.stores.services.remove(objectKey(service));
      for (const slice of lab.stores.slices.list()) lab.stores.slices.remove(objectKey(slice));
    }
  },
  120_000,
);

test(
  "finds out that its table is gone though the kernel lost the notice of it (ENOBUFS)",
  async () => {
    const proxy = await start("nftables", { size: 10, turn: 0 });
    const before = await ownRules("nftables");
    proxy.signal("SIGSTOP");
    try {
      // Each line is a transaction, and a notice for the stopped process.
      const line = "add table ip ib-px-flood; delete table ip ib-px-flood\n";
      while (droppedNotices(proxy.pid) === 0) await feedNft(line.repeat(4000));
      await lab.run("nft", "delete", "table", "ip", "ironbridge-proxy");
    } finally {
      proxy.signal("SIGCONT");
    }
    await waitFor("the rules to be back", async () => (await ownRules("nftables")) === before, { deadline: 2000 });
  },
  PATIENCE,
);

test(
  "puts right what others changed while the kernel lost the notices of it (ENOBUFS), time after time",
  async () => {
    const proxy = await start("nftables", { size: CROWD.nftables, turn: 0 });
    const before = await ownRules("nftables");
    for (let i = 0; i < 3; i++) {
      proxy.signal("SIGSTOP");
      try {
        const dropped = droppedNotices(proxy.pid);
        while (droppedNotices(proxy.pid) === dropped) await loadTables(1);
        await lab.run("nft", `delete element ip ironbridge-proxy services { ${VIP} . tcp . 80 }`);
      } finally {
        proxy.signal("SIGCONT");
      }
      await waitFor("the rules to be back", async () => (await ownRules("nftables")) === before, { deadline: 2000 });
    }
  },
  PATIENCE,
);

/** Large transactions of somebody else: the kernel takes one at a time. */
async function loadTables(count: number): Promise<void> {
  const elements = Array.from({ length: 40_000 }, (_, i) => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`);
  const add = `add table ip ib-px-big\nadd set ip ib-px-big s { type ipv4_addr; }\nadd element ip ib-px-big s { ${elements.join(", ")} }\n`;
  for (let i = 0; i < count; i++) await runNft(["-f", "-"], `${add}delete table ip ib-px-big\n`);
}

async function holdXtablesLock(seconds: number): Promise<void> {
  await lab.run("flock", "/run/xtables.lock", "sleep", String(seconds));
}

function feedNft(lines: string): Promise<void> {
  return runNft(["-i"], `${lines}quit\n`);
}

async function runNft(args: readonly string[], input: string): Promise<void> {
  const nft = spawn("ip", ["netns", "exec", NODE_NETNS, "nft", ...args], { stdio: ["pipe", "ignore", "inherit"] });
  nft.stdin.end(input);
  await once(nft, "close");
}

/** How many messages the kernel could not give to the netlink sockets in the namespace of process `pid`. */
function droppedNotices(pid: number): number {
  const lines = readFileSync(`/proc/${pid}/net/netlink`, "utf8").trim().split("\n").slice(1);
  return lines.reduce((sum, line) => sum + Number(line.trim().split(/\s+/)[8] ?? 0), 0);
}
