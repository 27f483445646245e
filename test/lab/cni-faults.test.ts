import { spawn } from "node:child_process";
import { readdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { exec } from "../../linux/mod.ts";
import { waitFor } from "../support/wait.ts";
import { type AddJson, type CniLab, createCniLab, nodeObject, type PluginCall } from "./support/cni-lab.ts";
import { forget, remember } from "./support/result-cache.ts";

/** How many random steps; `FAULT_STEPS=10000` for the long run. */
const STEPS = Number(process.env.FAULT_STEPS ?? 80);
/** What the steps follow from: the same seed does the same, but for the moments in which the kernel answers. */
const SEED = Number(process.env.FAULT_SEED ?? Date.now() % 1_000_000);
const SLOTS = 16;
const AT_ONCE = 5;
const NODES = [nodeObject(1)];

/** A place for one container after the other. */
interface Slot {
  readonly number: number;
  netns: string;
  /** Its addresses, when it has a network. */
  addresses: readonly string[] | undefined;
  result: object;
  /** Counts the containers it had. */
  round: number;
}

let lab: CniLab;
let slots: Slot[];
let state = SEED;

beforeAll(async () => {
  lab = await createCniLab();
  lab.node1.start(NODES);
  await lab.node1.whenReady();
  const fresh = async (_: unknown, number: number) => ({ number, netns: await lab.addPod(), ...EMPTY });
  slots = await Promise.all(Array.from({ length: SLOTS }, fresh));
});
afterAll(() => lab.remove());

const EMPTY = { addresses: undefined, result: {}, round: 0 };

/** Numerical Recipes' linear congruential generator: 0 to 1. */
function random(): number {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32;
}

const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]!;
const idOf = ({ number, round }: Slot) => `slot${number}-${round}`;

async function callFor(slot: Slot, command: string, call: Partial<PluginCall> = {}) {
  return lab.node1.call({ command, containerId: idOf(slot), netns: slot.netns, ...call });
}

/** As runtimes do until it works. */
async function remove(slot: Slot, netns = slot.netns): Promise<void> {
  await waitFor(`DEL of ${idOf(slot)}`, async () => (await callFor(slot, "DEL", { netns })).exit === 0, {
    deadline: 20_000,
  });
  forget(lab.node1.options.resultDir, idOf(slot));
  slot.addresses = undefined;
  slot.round += 1;
}

async function add(slot: Slot): Promise<void> {
  const portMappings = [
    { hostPort: 9000 + slot.number, containerPort: 80, protocol: pick(["tcp", "udp"]), hostIP: "" },
  ];
  const bandwidth = { egressRate: 1e9, egressBurst: 1e8 };
  const runtimeConfig = { ...(random() < 0.4 ? { portMappings } : {}), ...(random() < 0.3 ? { bandwidth } : {}) };
  const { exit, stdout } = await callFor(slot, "ADD", { config: { runtimeConfig } });
  if (exit !== 0) return remove(slot);
  const result: AddJson = JSON.parse(stdout);
  const known = { containerId: idOf(slot), netns: slot.netns, result, capabilityArgs: runtimeConfig };
  remember(lab.node1.options.resultDir, known);
  slot.result = result;
  slot.addresses = result.ips.map(({ address }) => address);
}

/** The runtime gives up on its plugin at any moment. */
async function addAndKillShim(slot: Slot): Promise<void> {
  const env = { CNI_COMMAND: "ADD", CNI_CONTAINERID: idOf(slot), CNI_NETNS: slot.netns, CNI_IFNAME: "eth0" };
  const shim = spawn(join(lab.node1.options.binDir, "ironbridge-cni"), [], {
    env,
    stdio: ["pipe", "ignore", "ignore"],
  });
  shim.stdin.on("error", () => {}); // it is killed while it reads
  const { socketPath: agentSocket } = lab.node1.options;
  shim.stdin.end(JSON.stringify({ cniVersion: "1.1.0", name: "ironbridge", type: "ironbridge-cni", agentSocket }));
  const gone = new Promise((resolve) => shim.once("close", resolve));
  await pause(random() * 10);
  shim.kill("SIGKILL");
  await gone;
  await remove(slot);
}

async function check(slot: Slot): Promise<void> {
  const { exit, stdout } = await callFor(slot, "CHECK", { config: { prevResult: slot.result } });
  expect(exit === 0 || JSON.parse(stdout).code === 11, `${idOf(slot)}: ${stdout}`).toBe(true);
}

async function vanish(slot: Slot): Promise<void> {
  await exec("ip", ["netns", "del", basename(slot.netns)]);
  await remove(slot, pick([slot.netns, ""]));
  slot.netns = await lab.addPod();
}

async function step(slot: Slot): Promise<void> {
  if (slot.addresses === undefined) return random() < 0.2 ? addAndKillShim(slot) : add(slot);
  const action = random();
  if (action < 0.3) return check(slot);
  return action < 0.45 ? vanish(slot) : remove(slot);
}

async function restartAgent(): Promise<void> {
  await lab.node1.kill();
  lab.node1.start(NODES);
}

/** A fault of the disk: what is left of the store is no database. The runtime's own notes are all there. */
async function damageStore(): Promise<void> {
  await lab.node1.kill();
  for (const suffix of ["-wal", "-shm"]) rmSync(`${lab.node1.storePath}${suffix}`, { force: true });
  writeFileSync(lab.node1.storePath, "no database any more".repeat(500));
  lab.node1.start(NODES);
}

/** All containers are gone with their namespaces; kubelets remove them when they are back. */
async function reboot(): Promise<void> {
  await lab.node1.reboot();
  for (const slot of slots) await exec("ip", ["netns", "del", basename(slot.netns)]);
  lab.node1.start(NODES);
  await lab.node1.whenReady();
  await lab.node1.stop();
  expect(await lab.node1.countLeases(), `seed ${SEED}`).toBe(0); // before anybody asked for it
  lab.node1.start(NODES);
  for (const slot of slots) {
    if (slot.addresses !== undefined) await remove(slot);
    slot.netns = await lab.addPod();
  }
}

async function collect(): Promise<void> {
  const present = slots.filter(({ addresses }) => addresses !== undefined);
  const valid = present.map((slot) => ({ containerID: idOf(slot), ifname: "eth0" }));
  const config = { "cni.dev/valid-attachments": valid };
  await waitFor("GC", async () => (await lab.node1.call({ command: "GC", config })).exit === 0, { deadline: 20_000 });
}

/** Names of links and elements that belong to pods. */
async function leftovers() {
  const links = (await lab.node1.run("ip", "-br", "link")).match(/^i[bq][0-9a-f]{13}/gm) ?? [];
  const table = await lab.node1.run("nft", "list", "table", "inet", "ironbridge_hostport");
  return {
    ports: links.filter((name) => name.startsWith("ib")),
    shapers: links.filter((name) => name.startsWith("iq")),
    elements: table.match(/elements = /g)?.length ?? 0,
  };
}

test(`${STEPS} random calls with kills in between leave no address twice and nothing behind`, {
  timeout: 60_000 + STEPS * 500,
}, async () => {
  for (let done = 0; done < STEPS; done += AT_ONCE) {
    const chosen = [...slots].sort(() => random() - 0.5).slice(0, AT_ONCE);
    const work = chosen.map(step);
    if (random() < 0.12) {
      await pause(random() * 30);
      await restartAgent();
    }
    await Promise.all(work);
    if (random() < 0.03) await damageStore();
    else if (random() < 0.02) await reboot();
    if (random() < 0.1) await collect();
    const all = slots.flatMap(({ addresses }) => addresses ?? []);
    expect(new Set(all).size, `seed ${SEED}, step ${done}: ${all}`).toBe(all.length);
  }
  await collect();
  const present = slots.filter(({ addresses }) => addresses !== undefined);
  expect((await leftovers()).ports, `seed ${SEED}`).toHaveLength(present.length);
  for (const slot of present) {
    const shown = await exec("ip", ["-n", basename(slot.netns), "-br", "address", "show", "eth0"]);
    for (const address of slot.addresses ?? []) expect(shown, `seed ${SEED}`).toContain(address);
  }
  for (const slot of present) await remove(slot);
  expect(await leftovers(), `seed ${SEED}`).toEqual({ ports: [], shapers: [], elements: 0 });
  await lab.node1.stop();
  expect(await lab.node1.countLeases(), `seed ${SEED}`).toBe(0);
  expect(readdirSync(lab.node1.options.stateDir).filter((name) => !/^pod-addresses\.db/.test(name))).toEqual([]);
});

test("a full disk fails an ADD with its reason and leaves nothing; with room again all goes on", {
  timeout: 60_000,
}, async () => {
  const { stateDir } = lab.node1.options;
  await exec("mount", ["-t", "tmpfs", "-o", "size=256k", "tmpfs", stateDir]);
  try {
    lab.node1.start(NODES);
    await lab.node1.whenReady();
    const [before, refused] = [await lab.addPod(), await lab.addPod()];
    await lab.node1.add("before", before);
    await exec("sh", ["-c", `dd if=/dev/zero of=${stateDir}/fill bs=1k count=1000 2>/dev/null; true`]);
    let answer = { exit: 0 as number | null, stdout: "" };
    for (let i = 0; answer.exit === 0 && i < 50; i++) {
      answer = await lab.node1.call({ command: "ADD", containerId: `full-${i}`, netns: refused });
      await lab.node1.call({ command: "DEL", containerId: `full-${i}`, netns: refused });
    }
    expect(JSON.parse(answer.stdout).msg).toMatch(/full/);
    await expect(exec("ip", ["-n", basename(refused), "link", "show", "eth0"])).rejects.toThrow();
    await exec("rm", [`${stateDir}/fill`]);
    await lab.node1.add("after", refused);
    for (const id of ["before", "after"]) {
      expect((await lab.node1.call({ command: "DEL", containerId: id })).exit).toBe(0);
    }
    expect((await leftovers()).ports).toEqual([]);
  } finally {
    await lab.node1.stop();
    await exec("umount", [stateDir]);
  }
});
