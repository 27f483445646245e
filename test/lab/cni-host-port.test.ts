import { spawn } from "node:child_process";
import { basename } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { exec } from "../../linux/mod.ts";
import { waitFor } from "../support/wait.ts";
import { type CniLab, createCniLab, nodeObject } from "./support/cni-lab.ts";
import { askFrom, listenIn } from "./support/http.ts";

const NODES = [nodeObject(1), nodeObject(2)];
let lab: CniLab;
let added: { containerId: string; netns: string }[] = [];
let closers: (() => void)[] = [];

beforeAll(async () => {
  lab = await createCniLab();
  await lab.node1.run("ip", "address", "add", "192.168.1.51/32", "dev", "eth0");
  await lab.node1.run("ip", "address", "add", "fd00:1::11/64", "dev", "eth0", "nodad");
  await exec("ip", ["-n", basename(lab.outside), "address", "add", "fd00:1::10/64", "dev", "eth0", "nodad"]);
});
beforeEach(async () => {
  lab.node1.start(NODES);
  await lab.node1.whenReady();
});
afterEach(async () => {
  for (const close of closers) close();
  for (const { containerId, netns } of added) await lab.node1.call({ command: "DEL", containerId, netns });
  [added, closers] = [[], []];
  await lab.node1.kill();
});
afterAll(() => lab.remove());

interface Mapping {
  readonly hostPort: number;
  readonly containerPort?: number;
  readonly protocol?: string;
  readonly hostIP?: string;
}

/** A pod with host ports, and a server on its port 8080. */
async function addPod(containerId: string, ...mappings: readonly Mapping[]) {
  const netns = await lab.addPod();
  const portMappings = mappings.map((mapping) => ({ containerPort: 8080, protocol: "tcp", hostIP: "", ...mapping }));
  const config = { runtimeConfig: { portMappings } };
  const pod = await lab.node1.add(containerId, netns, config);
  added.push({ containerId, netns });
  const server = listenIn(netns, 8080);
  closers.push(() => server.close());
  return { containerId, netns, ...pod };
}

const remove = async ({ containerId, netns }: { containerId: string; netns: string }) => {
  expect((await lab.node1.call({ command: "DEL", containerId, netns })).exit).toBe(0);
};

describe("a host port", () => {
  test("leads from everywhere to the pod, which sees clients outside with their own address", async () => {
    const pod = await addPod("a", { hostPort: 8081 });
    const other = await addPod("b");
    const node = `/run/netns/${lab.node1.netns}`;
    expect(await askFrom(lab.outside, "192.168.1.11", 8081)).toBe("192.168.1.10");
    expect(await askFrom(lab.outside, "fd00:1::11", 8081)).toBe("fd00:1::10");
    expect(await askFrom(other.netns, "192.168.1.11", 8081)).toBe(other.ipv4);
    expect(await askFrom(other.netns, "fd00:1::11", 8081)).toBe(other.ipv6);
    expect(await askFrom(pod.netns, "192.168.1.11", 8081)).toBe("10.244.1.1"); // itself, by way of the node
    expect(await askFrom(node, "192.168.1.11", 8081)).not.toBe("");
    expect(await askFrom(node, "127.0.0.1", 8081)).toBe("10.244.1.1");
    await remove(pod);
    await expect(askFrom(lab.outside, "192.168.1.11", 8081)).rejects.toThrow();
  });

  test("belongs to one address of the node when it names one, and two pods can have one port", async () => {
    await addPod("a", { hostPort: 8081, hostIP: "192.168.1.11" });
    const other = await addPod("b", { hostPort: 8081, hostIP: "192.168.1.51", containerPort: 8080 });
    await addPod("local", { hostPort: 8082, hostIP: "127.0.0.1" });
    const table = await lab.node1.run("nft", "list", "table", "inet", "ironbridge_hostport");
    expect(table).toContain("192.168.1.11 . tcp . 8081");
    expect(await askFrom(lab.outside, "192.168.1.11", 8081)).toBe("192.168.1.10");
    await exec("ip", ["-n", basename(lab.outside), "route", "replace", "192.168.1.51/32", "dev", "eth0"]);
    expect(await askFrom(lab.outside, "192.168.1.51", 8081)).toBe("192.168.1.10");
    await expect(askFrom(lab.outside, "fd00:1::11", 8081)).rejects.toThrow();
    await expect(askFrom(lab.outside, "192.168.1.11", 8082)).rejects.toThrow();
    await remove(other);
    await expect(askFrom(lab.outside, "192.168.1.51", 8081)).rejects.toThrow();
    expect(await askFrom(lab.outside, "192.168.1.11", 8081)).toBe("192.168.1.10");
    expect(await askFrom(`/run/netns/${lab.node1.netns}`, "127.0.0.1", 8082)).toBe("10.244.1.1");
  });

  test("works without the agent, and after it is back", async () => {
    const pod = await addPod("a", { hostPort: 8081 });
    await lab.node1.kill();
    expect(await askFrom(lab.outside, "192.168.1.11", 8081)).toBe("192.168.1.10");
    await lab.node1.run("nft", "flush", "ruleset"); // nobody is there to see it
    lab.node1.start(NODES);
    await lab.node1.whenReady();
    expect(await askFrom(lab.outside, "192.168.1.11", 8081)).toBe("192.168.1.10");
    await remove(pod);
    await expect(askFrom(lab.outside, "192.168.1.11", 8081)).rejects.toThrow();
  });

  test("comes back within 2 s after somebody flushed it, and CHECK tells until then", async () => {
    const { containerId, netns, result } = await addPod("a", { hostPort: 8081 });
    const check = () => lab.node1.call({ command: "CHECK", containerId, netns, config: { prevResult: result } });
    expect(await check()).toEqual({ exit: 0, stdout: "" });
    await lab.node1.run("nft", "delete", "table", "inet", "ironbridge_hostport");
    await waitFor("the port", async () => (await askFrom(lab.outside, "192.168.1.11", 8081)) === "192.168.1.10", {
      deadline: 2000,
    });
    expect((await check()).exit).toBe(0);
  });

  test("of UDP leads a client that never stops sending to the next pod", async () => {
    const echo = (netns: string, word: string) => {
      const script = `import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", 5353))
while True:
    _, peer = s.recvfrom(100)
    s.sendto(b"${word}", peer)`;
      const server = spawn("ip", ["netns", "exec", basename(netns), "python3", "-c", script]);
      closers.push(() => server.kill());
    };
    const mapping = { hostPort: 5300, containerPort: 5353, protocol: "udp" };
    const first = await addPod("first", mapping);
    echo(first.netns, "first");
    const script = `import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", 4000))
s.settimeout(0.1)
while True:
    s.sendto(b"x", ("192.168.1.11", 5300))
    try: print(s.recv(100).decode(), flush=True)
    except OSError: print("none", flush=True)`;
    const client = spawn("ip", ["netns", "exec", basename(lab.outside), "python3", "-c", script]);
    closers.push(() => client.kill());
    let heard = "";
    client.stdout.on("data", (text) => {
      heard = String(text).trim().split("\n").at(-1) ?? "";
    });
    await waitFor("the first pod", () => heard === "first", { deadline: 5000 });
    await remove(first);
    await waitFor("silence", () => heard === "none", { deadline: 5000 });
    const second = await addPod("second", mapping);
    echo(second.netns, "second");
    await waitFor("the second pod", () => heard === "second", { deadline: 5000 });
  });

  test("does not open the node's loopback to pods", async () => {
    const pod = await addPod("a", { hostPort: 8081 });
    const node = `/run/netns/${lab.node1.netns}`;
    const server = listenIn(node, 9090);
    closers.push(() => server.close());
    expect(await askFrom(node, "127.0.0.1", 9090)).toBe("127.0.0.1");
    const ip = (...args: readonly string[]) => exec("ip", ["-n", basename(pod.netns), ...args]);
    await exec("ip", ["netns", "exec", basename(pod.netns), "sysctl", "-qw", "net.ipv4.conf.all.route_localnet=1"]);
    await ip("route", "add", "127.0.0.9/32", "via", "10.244.1.1", "table", "100");
    await ip("rule", "add", "pref", "0", "to", "127.0.0.9", "lookup", "100");
    await ip("rule", "add", "pref", "1", "lookup", "local");
    await ip("rule", "del", "pref", "0", "lookup", "local");
    await expect(askFrom(pod.netns, "127.0.0.9", 9090)).rejects.toThrow();
  });
});

test.each([
  { name: "port 0", mapping: { hostPort: 0 } },
  { name: "another protocol", mapping: { hostPort: 1, protocol: "icmp" } },
  { name: "a name as address", mapping: { hostPort: 1, hostIP: "localhost" } },
])("ADD refuses a host port of $name", async ({ mapping }) => {
  await expect(addPod("bad", mapping)).rejects.toThrow('"code":7');
});
