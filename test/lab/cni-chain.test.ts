import { basename, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { exec } from "../../linux/mod.ts";
import { type AddJson, type CniLab, callPlugin, createCniLab, nodeObject, type PluginCall } from "./support/cni-lab.ts";
import { askFrom, listenIn } from "./support/http.ts";

/** The CNI project's own plugins, as Debian has them. */
const REFERENCE = "/usr/lib/cni";
const VERSION = { cniVersion: "1.0.0" };
let lab: CniLab;

beforeAll(async () => {
  lab = await createCniLab();
  lab.node1.start([nodeObject(1)]);
  await lab.node1.whenReady();
});
afterAll(() => lab.remove());

/** Runs a plugin of the CNI project in the node's namespace. */
function callReference(plugin: string, call: PluginCall) {
  const command = ["ip", "netns", "exec", lab.node1.netns, join(REFERENCE, plugin)];
  const stdin = JSON.stringify({ ...VERSION, name: "reference", type: plugin, ...call.config });
  return callPlugin("/usr/bin/env", { ...call, path: REFERENCE }, stdin, command);
}

const portMappings = [{ hostPort: 8081, containerPort: 8080, protocol: "tcp", hostIP: "" }];
const bandwidth = { ingressRate: 8e6, ingressBurst: 8e5, egressRate: 8e6, egressBurst: 8e5 };

test("ADD after the plugin bridge gives host ports and limits to its interface, and hands its result on", async () => {
  const netns = await lab.addPod();
  const dataDir = join(lab.node1.options.stateDir, "host-local");
  const ipam = { type: "host-local", dataDir, ranges: [[{ subnet: "10.99.0.0/24" }]], routes: [{ dst: "0.0.0.0/0" }] };
  const bridge = { bridge: "br-ref", isGateway: true, ipam };
  const made = await callReference("bridge", { command: "ADD", containerId: "chained", netns, config: bridge });
  expect(made.exit, made.stdout).toBe(0);
  const prevResult: AddJson = JSON.parse(made.stdout);
  const config = { ...VERSION, prevResult, runtimeConfig: { portMappings, bandwidth } };
  const call = (command: string) => lab.node1.call({ command, containerId: "chained", netns, config });
  const added = await call("ADD");
  expect([added.exit, JSON.parse(added.stdout)]).toEqual([0, prevResult]);

  const server = listenIn(netns, 8080);
  expect(await askFrom(lab.outside, "192.168.1.11", 8081)).toBe("192.168.1.10");
  server.close();
  const veth = prevResult.interfaces[1]!.name;
  expect(await lab.node1.run("tc", "qdisc", "show", "dev", veth)).toContain("rate 8Mbit");
  expect((await lab.node1.run("ip", "-j", "link", "show", veth)).includes('"master":"br-ref"')).toBe(true);
  expect(await call("CHECK")).toEqual({ exit: 0, stdout: "" });

  expect((await call("DEL")).exit).toBe(0);
  await expect(askFrom(lab.outside, "192.168.1.11", 8081)).rejects.toThrow();
  expect(await lab.node1.run("ip", "-br", "link", "show", "type", "ifb")).toBe("");
  expect(await lab.node1.run("ip", "-br", "link", "show", veth)).toContain(veth); // theirs to remove
  expect((await callReference("bridge", { command: "DEL", containerId: "chained", netns, config: bridge })).exit).toBe(
    0,
  );
});

test("ADD after other plugins with nothing to do hands the result on", async () => {
  const prevResult = { ...VERSION, interfaces: [], ips: [] };
  const call = { command: "ADD", containerId: "idle", netns: await lab.addPod(), config: { ...VERSION, prevResult } };
  expect(await lab.node1.call(call)).toEqual({ exit: 0, stdout: `${JSON.stringify(prevResult)}\n` });
});

test.each([
  { name: "no address", ips: [] },
  { name: "an address of another interface", ips: [{ address: "10.9.9.9/24", interface: 0 }] },
])("ADD after plugins that gave $name refuses host ports", async ({ ips }) => {
  const prevResult = { ...VERSION, interfaces: [{ name: "net1", mac: "", sandbox: "/x" }], ips };
  const config = { ...VERSION, prevResult, runtimeConfig: { portMappings } };
  const { stdout } = await lab.node1.call({ command: "ADD", containerId: "none", netns: await lab.addPod(), config });
  expect(JSON.parse(stdout).code).toBe(7);
});

test("the plugins portmap and tuning work after ours", async () => {
  const netns = await lab.addPod();
  const added = await lab.node1.call({ command: "ADD", containerId: "first", netns, config: VERSION });
  const prevResult: AddJson = JSON.parse(added.stdout);
  const portmap = { prevResult, snat: true, runtimeConfig: { portMappings: [{ ...portMappings[0], hostPort: 8090 }] } };
  const tuning = { prevResult, sysctl: { "net.ipv4.conf.eth0.arp_filter": "1" } };
  for (const [plugin, config] of [
    ["portmap", portmap],
    ["tuning", tuning],
  ] as const) {
    const { exit, stdout } = await callReference(plugin, { command: "ADD", containerId: "first", netns, config });
    expect(exit, stdout).toBe(0);
  }
  const server = listenIn(netns, 8080);
  expect(await askFrom(lab.outside, "192.168.1.11", 8090)).toBe("192.168.1.10");
  server.close();
  const check = { ...VERSION, prevResult };
  expect(await lab.node1.call({ command: "CHECK", containerId: "first", netns, config: check })).toEqual({
    exit: 0,
    stdout: "",
  });
  expect(await exec("ip", ["netns", "exec", basename(netns), "sysctl", "-n", "net.ipv4.conf.eth0.arp_filter"])).toBe(
    "1\n",
  );
});
