import { createSocket } from "node:dgram";
import { once } from "node:events";
import { readdirSync, readlinkSync } from "node:fs";
import { createServer } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  createListenSocket,
  createUdpSocket,
  exec,
  type Netns,
  openNetns,
  readSysctl,
  runInNetns,
  writeSysctl,
} from "../../linux/mod.ts";
import { createNamespaces } from "./support/linux-namespaces.ts";

let a: Netns;
let b: Netns;
let remove: () => Promise<void>;
beforeAll(async () => {
  ({ a, b, remove } = await createNamespaces());
});
afterAll(() => remove());

const here = () => readlinkSync("/proc/thread-self/ns/net");

describe("runInNetns()", () => {
  test("is inside while it works and back afterwards, nested too", () => {
    const home = here();
    const [outer, inner, between] = runInNetns(a, () => [here(), runInNetns(b, here), here()]);
    expect(new Set([home, outer, inner]).size).toBe(3);
    expect(between).toBe(outer);
    expect(here()).toBe(home);
  });

  test("is back when the work throws", () => {
    const home = here();
    const fail = () => {
      throw new Error("broken");
    };
    expect(() => runInNetns(a, fail)).toThrow("broken");
    expect(here()).toBe(home);
  });

  test("leaves no descriptor open", () => {
    const before = readdirSync("/proc/self/fd").length;
    for (let i = 0; i < 1000; i++) {
      const netns = openNetns(a.path);
      runInNetns(netns, () => {});
      netns.close();
    }
    expect(readdirSync("/proc/self/fd").length).toBe(before);
  });
});

test("openNetns() refuses what is not there", () => {
  expect(() => openNetns("/run/netns/ib-lx-nothing")).toThrow(
    "open network namespace /run/netns/ib-lx-nothing: ENOENT (no such file or directory)",
  );
});

test("readSysctl() and writeSysctl() see the namespace they are called in", () => {
  const key = "net/ipv4/ip_forward";
  const before = runInNetns(b, () => readSysctl(key));
  const flipped = before === "1" ? "0" : "1";
  runInNetns(a, () => writeSysctl(key, flipped));
  expect(runInNetns(a, () => readSysctl(key))).toBe(flipped);
  expect(runInNetns(b, () => readSysctl(key))).toBe(before);
  expect(readSysctl("net/ipv4/conf/nothing/forwarding")).toBeUndefined();
  expect(() => runInNetns(a, () => writeSysctl(key, "many"))).toThrow(
    'set the kernel setting net/ipv4/ip_forward to "many": EINVAL (invalid argument)',
  );
});

test("exec() runs the program in the namespace it is given", async () => {
  const [inA, inB] = await Promise.all([a, b].map((netns) => exec("readlink", ["/proc/self/ns/net"], { netns })));
  expect(inA).toBe(`${runInNetns(a, here)}\n`);
  expect(inB).toBe(`${runInNetns(b, here)}\n`);
});

describe("sockets in a namespace", () => {
  test.each(["127.0.0.1", "::1"])("createListenSocket() serves %s in its namespace only", async (address) => {
    const server = createServer((socket) => socket.end("hello")).listen({ fd: createListenSocket(address, 8080, a) });
    await once(server, "listening");
    const fetch = ["-c", `cat < /dev/tcp/${address}/8080`];
    expect(await exec("bash", fetch, { netns: a })).toBe("hello");
    await expect(exec("bash", fetch, { netns: b })).rejects.toThrow("Connection refused");
    expect(() => createListenSocket(address, 8080, a)).toThrow(
      `bind ${address} port 8080: EADDRINUSE (address already in use)`,
    );
    server.close();
    await once(server, "close");
  });

  test("createUdpSocket() receives", async () => {
    const receiver = createSocket("udp4").bind({ fd: createUdpSocket("127.0.0.1", 5353, a) });
    const received = once(receiver, "message");
    await exec("bash", ["-c", "printf hello > /dev/udp/127.0.0.1/5353"], { netns: a });
    const [message] = await received;
    expect(String(message)).toBe("hello");
    receiver.close();
  });

  test("an address and a port for both families do not meet", async () => {
    const servers = ["0.0.0.0", "::"].map((address) =>
      createServer().listen({ fd: createListenSocket(address, 80, a) }),
    );
    await Promise.all(servers.map((server) => once(server, "listening")));
    for (const server of servers) server.close();
  });
});
