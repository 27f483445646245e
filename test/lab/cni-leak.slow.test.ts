import { basename } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { exec } from "../../linux/mod.ts";
import { waitFor } from "../support/wait.ts";
import { type AddJson, type CniLab, createCniLab, nodeObject } from "./support/cni-lab.ts";
import { forget, remember } from "./support/result-cache.ts";

const HOST_PORT = { runtimeConfig: { portMappings: [{ hostPort: 8081, containerPort: 80, protocol: "tcp" }] } };
/** 5 pods. */
const NODES = [nodeObject(1, ["10.244.1.248/29"])];
let lab: CniLab;

beforeAll(async () => {
  lab = await createCniLab();
  lab.node1.start(NODES);
  await lab.node1.whenReady();
});
afterAll(() => lab.remove());

/** A pod that the runtime remembers. Gives the path of its namespace and what ADD answered. */
async function addPod(containerId: string, config: object = {}): Promise<{ netns: string; result: AddJson }> {
  const netns = await lab.addPod();
  const { result } = await lab.node1.add(containerId, netns, config);
  remember(lab.node1.options.resultDir, { containerId, netns, result, capabilityArgs: {} });
  return { netns, result };
}

const freed = (containerId: string) =>
  lab.node1
    .log()
    .split("\n")
    .some((line) => line.includes('"cni.leak_freed"') && line.includes(`"${containerId}"`));

async function whenFreed(containerId: string): Promise<void> {
  const look = async () => {
    await lab.node1.wake();
    return freed(containerId);
  };
  await waitFor(`${containerId} to be freed`, look, { deadline: 75_000, every: 1000 });
}

test("what lost pods leave is freed after a while, and nothing of those that live", { timeout: 180_000 }, async () => {
  const [gone, forgotten, cut] = [await addPod("gone", HOST_PORT), await addPod("forgotten"), await addPod("cut")];
  const alive = await addPod("alive");
  const last = await addPod("last");
  const full = await lab.node1.call({ command: "ADD", containerId: "more", netns: await lab.addPod() });
  expect(JSON.parse(full.stdout)).toMatchObject({ code: 100 });

  await exec("ip", ["netns", "del", basename(gone.netns)]); // with its interface
  for (const { result } of [forgotten, cut]) {
    await lab.node1.run("ip", "link", "del", result.interfaces.find(({ name }) => /^ib/.test(name))!.name);
  }
  const { resultDir } = lab.node1.options;
  for (const name of ["forgotten", "alive"]) forget(resultDir, name);
  await Promise.all([whenFreed("gone"), whenFreed("forgotten")]);
  expect(await lab.node1.run("nft", "list", "table", "inet", "ironbridge_hostport")).not.toContain(". 8081");

  // Neither who is remembered nor who has an interface.
  expect([freed("cut"), freed("alive"), freed("last")]).toEqual([false, false, false]);
  const held = [alive, last, cut].flatMap(({ result }) => result.ips.map(({ address }) => address));
  const again = [await addPod("next-1"), await addPod("next-2")].map(({ result }) => result.ips[0]!.address);
  const lost = [gone, forgotten].map(({ result }) => result.ips[0]!.address);
  expect([...again].sort()).toEqual([...lost].sort());
  expect(held).not.toEqual(expect.arrayContaining(again));
});
