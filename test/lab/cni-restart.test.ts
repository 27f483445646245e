import { existsSync, readFileSync } from "node:fs";
import type { Server } from "node:http";
import { connect } from "node:net";
import { basename } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { exec } from "../../linux/mod.ts";
import { waitFor } from "../support/wait.ts";
import { type CniLab, createCniLab, nodeObject } from "./support/cni-lab.ts";
import { askFrom, listenIn } from "./support/http.ts";

const NODES = [nodeObject(1), nodeObject(2)];
let lab: CniLab;
let servers: Server[] = [];

beforeAll(async () => {
  lab = await createCniLab();
});
afterEach(() => {
  for (const server of servers) server.close();
  servers = [];
});
afterAll(() => lab.remove());

const routes = () => lab.node1.run("ip", "route");

test("a node without a pod prefix waits, and ADD with it", async () => {
  lab.node1.start([nodeObject(1, []), nodeObject(2)]);
  await waitFor("the socket", () => existsSync(lab.node1.options.socketPath), { deadline: 5000 });
  expect(existsSync(lab.node1.conflist)).toBe(false);
  const status = await lab.node1.call({ command: "STATUS" }).catch(() => undefined);
  expect(status).toBeUndefined(); // the plugin is not installed before it can work
  lab.node1.setNodes(NODES);
  await lab.node1.whenReady();
  await lab.node1.add("first", await lab.addPod());
});

test("pods work on without the agent, which takes up where it was killed", async () => {
  lab.node2.start(NODES);
  await lab.node2.whenReady();
  const [a, b, c] = await Promise.all([lab.addPod(), lab.addPod(), lab.addPod()]);
  const [podA, podB] = [await lab.node1.add("a", a), await lab.node2.add("b", b)];
  servers.push(listenIn(b, 8080), listenIn(lab.outside, 8081));
  await lab.node1.kill();
  expect(await askFrom(a, podB.ipv4, 8080)).toBe(podA.ipv4);
  expect(await askFrom(a, "192.168.1.10", 8081)).toBe("192.168.1.11");

  const waiting = lab.node1.add("c", c); // the plugin waits for the agent
  lab.node1.start(NODES);
  const podC = await waiting;
  expect(podC.ipv4).not.toBe(podA.ipv4);
  expect(await askFrom(c, podB.ipv4, 8080)).toBe(podC.ipv4);
  expect(await askFrom(a, podB.ipv4, 8080)).toBe(podA.ipv4);

  await lab.node1.kill();
  const removing = lab.node1.call({ command: "DEL", containerId: "a", netns: a });
  lab.node1.start(NODES);
  expect(await removing).toEqual({ exit: 0, stdout: "" });
  await lab.node1.whenReady();
  await expect(exec("ip", ["-n", basename(a), "link", "show", "eth0"])).rejects.toThrow();
});

test("pods go while no agent runs: the next one frees what they had before it gives anything", async () => {
  const [gone, late, next] = await Promise.all([lab.addPod(), lab.addPod(), lab.addPod()]);
  const small = ["10.244.1.248/29"]; // 5 pods
  lab.node1.setNodes([nodeObject(1, small), nodeObject(2)]);
  await waitFor("the small prefix", async () => (await lab.node1.run("ip", "addr")).includes("10.244.1.249/29"), {
    deadline: 5000,
  });
  const others = await Promise.all(Array.from({ length: 4 }, () => lab.addPod()));
  const [first] = await Promise.all([
    lab.node1.add("gone", gone),
    ...others.map((netns, i) => lab.node1.add(`stays-${i}`, netns)),
  ]);
  const full = await lab.node1.call({ command: "ADD", containerId: "late", netns: late });
  expect(JSON.parse(full.stdout)).toMatchObject({ code: 100 });

  await lab.node1.kill();
  expect(await lab.node1.call({ command: "DEL", containerId: "gone", netns: gone })).toEqual({ exit: 0, stdout: "" });
  await lab.node1.run("ip", "-n", basename(gone), "link", "show", "eth0"); // nobody removed it yet
  const waiting = lab.node1.add("next", next);
  lab.node1.start([nodeObject(1, small), nodeObject(2)]);
  expect((await waiting).ipv4).toBe(first.ipv4);
  await expect(exec("ip", ["-n", basename(gone), "link", "show", "eth0"])).rejects.toThrow();
  for (const containerId of ["next", ...others.map((_, i) => `stays-${i}`)]) {
    await lab.node1.call({ command: "DEL", containerId });
  }
  lab.node1.setNodes(NODES);
  // Its gateway of the prefix of before never went: pods have addresses beside it.
  await waitFor("no small prefix", async () => !(await lab.node1.run("ip", "addr")).includes("10.244.1.249/29"), {
    deadline: 5000,
  });
});

test("an ADD that was killed half-way leaves nothing after the next start", async () => {
  const pods = await Promise.all(Array.from({ length: 12 }, () => lab.addPod()));
  const calls = pods.map((netns, i) => lab.node1.call({ command: "ADD", containerId: `cut-${i}`, netns }));
  await calls[0]; // the others are at work
  await lab.node1.kill();
  lab.node1.start(NODES);
  const answers = await Promise.all(calls);
  await lab.node1.whenReady();
  const added = answers.filter(({ exit }) => exit === 0).map(({ stdout }) => JSON.parse(stdout).ips[0].address);
  expect(new Set(added).size).toBe(added.length);
  for (const { exit, stdout } of answers) if (exit !== 0) expect(JSON.parse(stdout).code).toBe(11);
  // What a runtime does after a failure: DEL, then ADD again.
  for (const [i, netns] of pods.entries()) {
    await lab.node1.call({ command: "DEL", containerId: `cut-${i}`, netns });
    await lab.node1.add(`cut-${i}`, netns);
  }
  const valid = ["first", "c", ...pods.map((_, i) => `cut-${i}`)].map((containerID) => ({
    containerID,
    ifname: "eth0",
  }));
  const before = await lab.node1.run("ip", "-o", "link", "show", "master", "ironbr0");
  await lab.node1.call({ command: "GC", config: { "cni.dev/valid-attachments": valid } });
  expect(await lab.node1.run("ip", "-o", "link", "show", "master", "ironbr0")).toBe(before);
  expect(before.trim().split("\n")).toHaveLength(valid.length);
});

test("an agent told to stop ends at once and leaves its pods connected", async () => {
  const [a, b] = await Promise.all([lab.addPod(), lab.addPod()]);
  const [podA, podB] = [await lab.node1.add("stop-a", a), await lab.node1.add("stop-b", b)];
  const start = performance.now();
  expect(await lab.node1.stop()).toBe(0);
  expect(performance.now() - start).toBeLessThan(2000);
  servers.push(listenIn(b, 8080));
  expect(await askFrom(a, podB.ipv4, 8080)).toBe(podA.ipv4);
  lab.node1.start(NODES);
  await lab.node1.whenReady();
});

test("routes follow the nodes, also what changed while nobody watched", async () => {
  expect(await routes()).toContain("10.244.2.0/24 via 192.168.1.12");
  const moved = nodeObject(2);
  moved.status!.addresses = [{ type: "InternalIP", address: "192.168.1.77" }];
  lab.node1.setNodes([nodeObject(1), moved, nodeObject(3)]);
  await waitFor(
    "the routes",
    async () => {
      const text = await routes();
      return text.includes("10.244.2.0/24 via 192.168.1.77") && text.includes("10.244.3.0/24 via 192.168.1.13");
    },
    { deadline: 2000 },
  );
  await lab.node1.kill();
  lab.node1.start(NODES);
  await waitFor(
    "the routes of today",
    async () => {
      const text = await routes();
      return text.includes("10.244.2.0/24 via 192.168.1.12") && !text.includes("10.244.3.0/24");
    },
    { deadline: 10_000 }, // a whole program starts
  );
  lab.node1.setNodes([nodeObject(1)]);
  await waitFor("no route to a node that left", async () => !(await routes()).includes("10.244.2.0/24"), {
    deadline: 2000,
  });
  lab.node1.setNodes(NODES);
  await lab.node1.whenReady();
});

test("a route the kernel refuses keeps no pod waiting", async () => {
  const far = nodeObject(3);
  far.status!.addresses = [{ type: "InternalIP", address: "203.0.113.9" }];
  lab.node1.setNodes([...NODES, far]);
  await waitFor("a word about it", () => lab.node1.log().includes("route to 10.244.3.0/24"), { deadline: 2000 });
  expect(await lab.node1.call({ command: "STATUS" })).toEqual({ exit: 0, stdout: "" });
  expect(await routes()).toContain("10.244.2.0/24 via 192.168.1.12");
});

test("a node that gets another prefix keeps its pods working", async () => {
  const [a, b] = await Promise.all([lab.addPod(), lab.addPod()]);
  const old = await lab.node1.add("old", a);
  lab.node1.setNodes([nodeObject(1, ["10.244.9.0/24"]), nodeObject(2)]);
  await waitFor("the new gateway", async () => (await lab.node1.run("ip", "addr")).includes("10.244.9.1/24"), {
    deadline: 2000,
  });
  const next = await lab.node1.add("new", b);
  expect(next.ipv4).toBe("10.244.9.2");
  servers.push(listenIn(a, 8080));
  expect(await askFrom(b, old.ipv4, 8080)).toBe(next.ipv4);
});

test("garbage on the socket gets an error and breaks nothing", async () => {
  const said = await new Promise<string>((resolve, reject) => {
    const socket = connect(lab.node1.options.socketPath, () => socket.end("GET / HTTP/1.1\r\n\r\n"));
    let text = "";
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
    });
    socket.on("end", () => resolve(text)).on("error", reject);
  });
  expect(said).toContain("this socket speaks only with the plugin ironbridge-cni");
  await lab.node1.add("after-garbage", await lab.addPod());
});

test("the installed list names the socket, the versions and what is understood", () => {
  expect(JSON.parse(readFileSync(lab.node1.conflist, "utf8"))).toEqual({
    cniVersion: "1.0.0",
    cniVersions: ["1.0.0", "1.1.0"],
    name: "ironbridge",
    plugins: [
      {
        type: "ironbridge-cni",
        agentSocket: lab.node1.options.socketPath,
        capabilities: {
          portMappings: true,
          bandwidth: true,
          ips: true,
          ipRanges: true,
          mac: true,
          "io.kubernetes.cri.pod-annotations": true,
        },
      },
    ],
  });
});
