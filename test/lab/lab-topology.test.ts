import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { afterAll, describe, expect, test } from "vitest";
import { buildTopology, labNetnsNames, removeTopology, runCommand, runInHost } from "../../lab/mod.ts";

const TAG = "topo";
const hostState = async () => {
  const addresses = await readFile("/proc/net/fib_trie", "utf8");
  return `${addresses}\n${await readFile("/proc/net/route", "utf8")}`;
};

describe("buildTopology()", () => {
  afterAll(() => removeTopology(TAG));

  test("lets every host reach every other one, and leaves this machine's own network as it was", async () => {
    const before = await hostState();
    const { client, lan, nodes } = await buildTopology(TAG, 3);
    // A refused connection is an answer too; no answer is exit code 28 or 7 with "no route".
    for (const { address } of [lan, ...nodes]) {
      const { stderr } = await runInHost(client.netns, "curl", ["-sS", "-m", "2", `http://${address}:9/`]);
      expect(stderr).toContain("Couldn't connect to server");
      const { stdout } = await runInHost(client.netns, "ip", ["neighbour", "show", "to", address]);
      expect(stdout).toContain("lladdr");
    }
    expect(await hostState()).toBe(before);
  });

  test("cutLink() takes the carrier of one node, restoreLink() gives it back", async () => {
    const topology = await buildTopology(TAG, 2);
    const linkState = async () => (await runInHost(topology.nodes[0]!.netns, "ip", ["link", "show", "eth0"])).stdout;
    await topology.cutLink("node1");
    await expect.poll(linkState).toContain("NO-CARRIER");
    expect((await runInHost(topology.nodes[1]!.netns, "ip", ["link", "show", "eth0"])).stdout).toContain("LOWER_UP");
    await topology.restoreLink("node1");
    await expect.poll(linkState).toContain("LOWER_UP");
  });

  test("replaces what an earlier lab of the same tag left behind, processes too", async () => {
    const first = await buildTopology(TAG, 3);
    const left = spawn("nsenter", [`--net=/run/netns/${first.nodes[2]!.netns}`, "sleep", "300"], { stdio: "ignore" });
    await once(left, "spawn");
    await expect
      .poll(async () => (await runInHost(first.nodes[2]!.netns, "ip", ["netns", "pids", first.nodes[2]!.netns])).stdout)
      .toContain(String(left.pid));
    await buildTopology(TAG, 1);
    expect(await labNetnsNames(TAG)).toEqual([`ib-${TAG}-client`, `ib-${TAG}-lan`, `ib-${TAG}-node1`]);
    expect(left.signalCode ?? (await once(left, "exit"))[1]).toBe("SIGKILL");
  });

  test("removeTopology() does not mind that somebody else removes the same namespaces", async () => {
    await buildTopology(TAG, 3);
    await Promise.all([removeTopology(TAG), removeTopology(TAG)]);
    expect(await labNetnsNames(TAG)).toEqual([]);
  });

  test("removeTopology() removes everything, and is content with nothing", async () => {
    await buildTopology(TAG, 2);
    await runCommand("ip", ["netns", "add", `ib-${TAG}-client-behind`]);
    await removeTopology(TAG);
    expect(await labNetnsNames(TAG)).toEqual([]);
    expect((await runCommand("ip", ["netns"])).stdout).not.toContain(`ib-${TAG}-`);
    await removeTopology(TAG);
  });

  test("takes less than a quarter of a second", async () => {
    const times: number[] = [];
    for (let i = 0; i < 3; i++) {
      const began = performance.now();
      await buildTopology(TAG, 3);
      times.push(performance.now() - began);
    }
    expect(Math.min(...times)).toBeLessThan(250);
  });
});
