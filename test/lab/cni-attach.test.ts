import type { Server } from "node:http";
import { basename } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { exec } from "../../linux/mod.ts";
import { waitFor } from "../support/wait.ts";
import { type CniLab, createCniLab, nodeObject } from "./support/cni-lab.ts";
import { askFrom, listenIn } from "./support/http.ts";

let lab: CniLab;
let servers: Server[] = [];

beforeAll(async () => {
  lab = await createCniLab();
  const nodes = [nodeObject(1), nodeObject(2)];
  for (const node of [lab.node1, lab.node2]) node.start(nodes);
  await Promise.all([lab.node1.whenReady(), lab.node2.whenReady()]);
});
afterEach(() => {
  for (const server of servers) server.close();
  servers = [];
});
afterAll(() => lab.remove());

function serve(netns: string): void {
  servers.push(listenIn(netns, 8080));
}

/** The node's ends of pods' interfaces. */
async function ports(): Promise<string[]> {
  const text = await lab.node1.run("ip", "-j", "link", "show", "master", "ironbr0");
  return JSON.parse(text || "[]").map((link: { ifname: string }) => link.ifname);
}

describe("a pod", () => {
  test("the state lists who has which addresses", async () => {
    const { ipv4, ipv6 } = await lab.node1.add("listed", await lab.addPod());
    const { leases } = await lab.node1.state();
    const lease = leases.find(({ addresses }) => addresses.includes(ipv4));
    expect(lease).toMatchObject({ addresses: [ipv4, ipv6], container: "listed", interface: "eth0" });
    expect(Math.abs(Date.parse(lease!.since) - Date.now())).toBeLessThan(60_000);
    await lab.node1.call({ command: "DEL", containerId: "listed" });
    expect((await lab.node1.state()).leases).not.toContainEqual(lease);
  });

  test("reaches a pod of its node and is seen with its own address, in both families", async () => {
    const [a, b] = await Promise.all([lab.addPod(), lab.addPod()]);
    const [podA, podB] = [await lab.node1.add("a", a), await lab.node1.add("b", b)];
    serve(b);
    expect(await askFrom(a, podB.ipv4, 8080)).toBe(podA.ipv4);
    expect(await askFrom(a, podB.ipv6, 8080)).toBe(podA.ipv6);
  });

  test("reaches itself, its gateway's node and its loopback", async () => {
    const a = await lab.addPod();
    const pod = await lab.node1.add("self", a);
    serve(a);
    serve(`/run/netns/${lab.node1.netns}`);
    expect(await askFrom(a, pod.ipv4, 8080)).toBe(pod.ipv4);
    expect(await askFrom(a, "127.0.0.1", 8080)).toBe("127.0.0.1");
    expect(await askFrom(a, "192.168.1.11", 8080)).toBe(pod.ipv4);
    expect(await askFrom(`/run/netns/${lab.node1.netns}`, pod.ipv4, 8080)).toBe("10.244.1.1");
  });

  test("has what the configuration of host-local says: one family, a part of the prefix", async () => {
    const [a, b] = await Promise.all([lab.addPod(), lab.addPod()]);
    const ranges = [[{ subnet: "10.244.1.0/24", rangeStart: "10.244.1.200", rangeEnd: "10.244.1.201" }]];
    const config = { ipam: { type: "host-local", ranges, routes: [{ dst: "0.0.0.0/0" }] } };
    const { result } = await lab.node1.add("ranged", a, config);
    expect(result.ips).toMatchObject([{ address: "10.244.1.200/24", gateway: "10.244.1.1" }]);
    expect(await exec("ip", ["-n", basename(a), "-6", "addr", "show", "dev", "eth0", "scope", "global"])).toBe("");
    const checked = await lab.node1.call({
      command: "CHECK",
      containerId: "ranged",
      netns: a,
      config: { ...config, prevResult: result },
    });
    expect(checked).toEqual({ exit: 0, stdout: "" });
    const far = await lab.node2.add("far-from-ranged", b);
    serve(b);
    expect(await askFrom(a, far.ipv4, 8080)).toBe("10.244.1.200");
    const elsewhere = { ipam: { type: "host-local", subnet: "10.99.0.0/24" } };
    const c = await lab.addPod();
    const refused = await lab.node1.call({ command: "ADD", containerId: "elsewhere", netns: c, config: elsewhere });
    expect(JSON.parse(refused.stdout)).toMatchObject({
      msg: expect.stringContaining("subnet 10.99.0.0/24 is none of"),
    });
  });

  test("reaches a pod of another node and is seen with its own address", async () => {
    const [a, b] = await Promise.all([lab.addPod(), lab.addPod()]);
    const [podA, podB] = [await lab.node1.add("c", a), await lab.node2.add("d", b)];
    serve(b);
    serve(a);
    expect(await askFrom(a, podB.ipv4, 8080)).toBe(podA.ipv4);
    expect(await askFrom(b, podA.ipv4, 8080)).toBe(podB.ipv4);
  });

  test("leaves the cluster with the address of its node", async () => {
    const a = await lab.addPod();
    await lab.node1.add("e", a);
    serve(lab.outside);
    expect(await askFrom(a, "192.168.1.10", 8080)).toBe("192.168.1.11");
  });
});

describe("ADD", () => {
  test.each(["0.3.1", "0.4.0", "1.0.0", "1.1.0"])(
    "answers in version %s with what the kernel has",
    async (cniVersion) => {
      const netns = await lab.addPod();
      const containerId = `version-${cniVersion}`;
      const { exit, stdout } = await lab.node1.call({ command: "ADD", containerId, netns, config: { cniVersion } });
      expect(exit).toBe(0);
      const result = JSON.parse(stdout);
      const [link] = JSON.parse(await exec("ip", ["-n", basename(netns), "-j", "address", "show", "eth0"]));
      const addresses = link.addr_info.map(
        (entry: { local: string; prefixlen: number }) => `${entry.local}/${entry.prefixlen}`,
      );
      expect(result.cniVersion).toBe(cniVersion);
      expect(result.interfaces[2]).toMatchObject({ name: "eth0", mac: link.address, sandbox: netns });
      for (const ip of result.ips) expect(addresses).toContain(ip.address);
      expect(result.ips[0].version).toBe(cniVersion < "1.0.0" ? "4" : undefined);
      expect(await ports()).toContain(result.interfaces[1].name);
    },
  );

  test("a second time fails and takes no second address", async () => {
    const netns = await lab.addPod();
    await lab.node1.add("twice", netns);
    const again = await lab.node1.call({ command: "ADD", containerId: "twice", netns });
    expect([again.exit, JSON.parse(again.stdout).code]).toEqual([1, 101]);
    const next = await lab.node1.call({ command: "ADD", containerId: "twice", netns, ifname: "eth1" });
    expect(next.exit).toBe(0);
    expect(JSON.parse(next.stdout).routes).toEqual([]); // the first interface has the default routes
    expect(await exec("ip", ["-n", basename(netns), "route"])).toContain("default via 10.244.1.1 dev eth0");
  });

  test.each([
    { name: "a namespace that is not there", netns: "/run/netns/none", code: 8 },
    { name: "a file that is no namespace", netns: "/etc/hostname", code: 8 },
    { name: "the namespace of the node", netns: "node", code: 8 },
  ])("refuses $name and leaves nothing", async ({ netns, code }) => {
    const before = await ports();
    const path = netns === "node" ? `/run/netns/${lab.node1.netns}` : netns;
    const { exit, stdout } = await lab.node1.call({ command: "ADD", containerId: "bad", netns: path });
    expect([exit, JSON.parse(stdout).code]).toEqual([1, code]);
    expect(await ports()).toEqual(before);
  });

  test("takes everything back when the kernel refuses a step", async () => {
    const netns = await lab.addPod();
    await exec("ip", ["netns", "exec", basename(netns), "sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1"]);
    await exec("ip", ["-n", basename(netns), "link", "add", "eth9", "type", "veth", "peer", "name", "eth8"]);
    const before = await ports();
    const { exit, stdout } = await lab.node1.call({ command: "ADD", containerId: "taken", netns, ifname: "eth9" });
    expect([exit, JSON.parse(stdout).code]).toEqual([1, 101]);
    expect(await ports()).toEqual(before);
    // Only the name was in the way.
    await lab.node1.add("taken", netns);
  });

  test("50 at once get 50 addresses", async () => {
    const pods = await Promise.all(Array.from({ length: 50 }, () => lab.addPod()));
    const added = await Promise.all(pods.map((netns, i) => lab.node1.add(`many-${i}`, netns)));
    expect(new Set(added.map(({ ipv4 }) => ipv4)).size).toBe(50);
    expect(new Set(added.map(({ ipv6 }) => ipv6)).size).toBe(50);
    serve(pods[49]!);
    expect(await askFrom(pods[0]!, added[49]!.ipv4, 8080)).toBe(added[0]!.ipv4);
    const gone = await Promise.all(
      pods.map((netns, i) => lab.node1.call({ command: "DEL", containerId: `many-${i}`, netns })),
    );
    expect(gone.every(({ exit, stdout }) => exit === 0 && stdout === "")).toBe(true);
  });
});

describe("DEL", () => {
  test("removes the interface, frees the address, and succeeds again and again", async () => {
    const netns = await lab.addPod();
    const { result } = await lab.node1.add("gone", netns);
    const port = result.interfaces[1]!.name;
    for (let round = 0; round < 3; round++) {
      expect(await lab.node1.call({ command: "DEL", containerId: "gone", netns })).toEqual({ exit: 0, stdout: "" });
    }
    expect(await ports()).not.toContain(port);
    await expect(exec("ip", ["-n", basename(netns), "link", "show", "eth0"])).rejects.toThrow();
    await lab.node1.add("gone", netns);
  });

  test("succeeds for a container never seen", async () => {
    expect((await lab.node1.call({ command: "DEL", containerId: "never" })).exit).toBe(0);
  });

  test.each(["with its path", "without a path"])("succeeds when the namespace is gone, %s", async (how) => {
    const netns = await lab.addPod();
    await lab.node1.add("vanished", netns);
    await exec("ip", ["netns", "del", basename(netns)]);
    const path = how === "with its path" ? netns : "";
    expect((await lab.node1.call({ command: "DEL", containerId: "vanished", netns: path })).exit).toBe(0);
    const next = await lab.addPod();
    await lab.node1.add("vanished", next);
    expect((await lab.node1.call({ command: "DEL", containerId: "vanished", netns: next })).exit).toBe(0);
  });
});

describe("CHECK", () => {
  const damages: { name: string; damage: readonly string[]; says: string }[] = [
    { name: "no address", damage: ["address", "flush", "dev", "eth0", "scope", "global"], says: "lacks the address" },
    { name: "no default route", damage: ["route", "del", "default"], says: "lacks a default route" },
    { name: "its interface down", damage: ["link", "set", "eth0", "down"], says: "interface eth0 is down" },
    {
      name: "another MAC address",
      damage: ["link", "set", "eth0", "address", "02:00:00:00:00:09"],
      says: "02:00:00:00:00:09",
    },
    { name: "no interface", damage: ["link", "del", "eth0"], says: "interface eth0 is missing" },
  ];
  test.each(damages)("passes for a whole pod and names what a pod with $name lacks", async ({ damage, says, name }) => {
    const netns = await lab.addPod();
    const containerId = `check-${name.replaceAll(" ", "-")}`;
    const { result } = await lab.node1.add(containerId, netns);
    const check = () => lab.node1.call({ command: "CHECK", containerId, netns, config: { prevResult: result } });
    expect(await check()).toEqual({ exit: 0, stdout: "" });
    await exec("ip", ["-n", basename(netns), ...damage]);
    const failed = await check();
    expect(failed.exit).toBe(1);
    expect(JSON.parse(failed.stdout)).toMatchObject({ code: 102, msg: expect.stringContaining(says) });
  });

  test("fails for a pod nobody added", async () => {
    const netns = await lab.addPod();
    const { stdout } = await lab.node1.call({ command: "CHECK", containerId: "x", netns, config: { prevResult: {} } });
    expect(JSON.parse(stdout)).toMatchObject({ code: 102, msg: expect.stringContaining("knows nothing") });
  });
});

test("STATUS succeeds on a node that can take pods", async () => {
  expect(await lab.node1.call({ command: "STATUS" })).toEqual({ exit: 0, stdout: "" });
});

test("VERSION lists what is spoken", async () => {
  const { stdout } = await lab.node1.call({ command: "VERSION", config: { cniVersion: "1.0.0" } });
  const supportedVersions = ["0.3.1", "0.4.0", "1.0.0", "1.1.0"];
  expect(JSON.parse(stdout)).toEqual({ cniVersion: "1.0.0", supportedVersions });
});

test("GC removes what the runtime does not know, of this network only, and interfaces nobody knows", async () => {
  const [kept, lost, other] = await Promise.all([lab.addPod(), lab.addPod(), lab.addPod()]);
  await lab.node2.add("kept", kept);
  await lab.node2.add("lost", lost);
  await lab.node2.call({ command: "ADD", containerId: "other", netns: other, config: { name: "second" } });
  await lab.node2.run("ip", "link", "add", "ib0123456789abc", "type", "veth", "peer", "name", "spare");
  const valid = [
    { containerID: "kept", ifname: "eth0" },
    { containerID: "d", ifname: "eth0" },
  ];
  const gc = await lab.node2.call({ command: "GC", config: { "cni.dev/valid-attachments": valid } });
  expect(gc).toEqual({ exit: 0, stdout: "" });
  const has = (netns: string) =>
    exec("ip", ["-n", basename(netns), "link", "show", "eth0"]).then(
      () => true,
      () => false,
    );
  expect([await has(kept), await has(lost), await has(other)]).toEqual([true, false, true]);
  expect(await lab.node2.run("ip", "link")).not.toContain("ib0123456789abc");
});

describe("the node", () => {
  test("heals its rules within 2 s after they were flushed", async () => {
    const a = await lab.addPod();
    await lab.node1.add("heal-rules", a);
    serve(lab.outside);
    await lab.node1.run("nft", "flush", "ruleset");
    await waitFor("masquerade to come back", async () => (await askFrom(a, "192.168.1.10", 8080)) === "192.168.1.11", {
      deadline: 2000,
    });
  });

  test("heals routes, gateway and bridge, and puts its pods back", async () => {
    const [a, b] = await Promise.all([lab.addPod(), lab.addPod()]);
    const [podA, podB] = [await lab.node1.add("heal-a", a), await lab.node2.add("heal-b", b)];
    serve(b);
    for (const damage of [
      ["route", "del", "10.244.2.0/24"],
      ["address", "del", "10.244.1.1/24", "dev", "ironbr0"],
      ["link", "del", "ironbr0"],
    ]) {
      await lab.node1.run("ip", ...damage);
      await waitFor(`healing of ${damage.join(" ")}`, async () => (await askFrom(a, podB.ipv4, 8080)) === podA.ipv4, {
        deadline: 4000,
      });
    }
  });
});
