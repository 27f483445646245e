import { basename } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { exec } from "../../linux/mod.ts";
import { type CniLab, createCniLab, nodeObject } from "./support/cni-lab.ts";
import { measureRate } from "./support/iperf.ts";

let lab: CniLab;

beforeAll(async () => {
  lab = await createCniLab();
  lab.node1.start([nodeObject(1)]);
  await lab.node1.whenReady();
});
afterAll(() => lab.remove());

async function addPod(containerId: string, config: object) {
  const netns = await lab.addPod();
  return { netns, name: basename(netns), ...(await lab.node1.add(containerId, netns, config)) };
}

test("a pod receives and sends at the rates asked for, from the first second on", async () => {
  const RATE = 20e6;
  const burst = 2 ** 32 - 1; // what kubelets ask for
  const limits = { ingressRate: RATE, ingressBurst: burst, egressRate: 2 * RATE, egressBurst: burst };
  const limited = await addPod("limited", { runtimeConfig: { bandwidth: limits } });
  const free = await addPod("free", {});
  const received = await measureRate(free.name, limited.name, free.ipv4, 5);
  const sent = await measureRate(limited.name, free.name, limited.ipv4, 5);
  expect(Math.abs(received.rate / RATE - 1)).toBeLessThan(0.07); // TCP's headers count, the burst too
  expect(Math.abs(sent.rate / (2 * RATE) - 1)).toBeLessThan(0.07);
  expect(received.first).toBeLessThan(1.3 * RATE);

  const { netns, result } = limited;
  const shaper = result.interfaces[3]!;
  expect(shaper.name).toMatch(/^iq/);
  expect(result.ips[0]!.interface).toBe(2);
  const call = (command: string) =>
    lab.node1.call({ command, containerId: "limited", netns, config: { prevResult: result } });
  expect(await call("CHECK")).toEqual({ exit: 0, stdout: "" });
  await lab.node1.run("ip", "link", "del", shaper.name);
  expect((await call("CHECK")).stdout).toContain(`${shaper.name} is not limited`);
  expect((await call("DEL")).exit).toBe(0);
});

test("DEL and GC leave no link of a limit", async () => {
  const limits = { egressRate: 1e6, egressBurst: 1e6 };
  for (const id of ["one", "two"]) await addPod(id, { runtimeConfig: { bandwidth: limits } });
  await lab.node1.call({ command: "DEL", containerId: "one" });
  await lab.node1.call({ command: "GC", config: { "cni.dev/valid-attachments": [] } });
  expect(await lab.node1.run("ip", "-br", "link", "show", "type", "ifb")).toBe("");
});

test("ADD gives the addresses and the MAC address asked for", async () => {
  const config = { runtimeConfig: { ips: ["10.244.1.200", "fd00:244:1::c8"], mac: "02:00:00:00:00:99" } };
  const { netns, result } = await addPod("static", config);
  expect(result.ips.map(({ address }) => address)).toEqual(["10.244.1.200/24", "fd00:244:1::c8/64"]);
  expect(await exec("ip", ["-n", basename(netns), "link", "show", "eth0"])).toContain("02:00:00:00:00:99");
  await expect(addPod("same", config)).rejects.toThrow('"code":103');
});
