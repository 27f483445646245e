import { createSocket, type Socket } from "node:dgram";
import type { Server } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { encodeOffloadMessage } from "../../cni/offload-message.ts";
import { createUdpSocket, openNetns } from "../../linux/mod.ts";
import { waitFor } from "../support/wait.ts";
import { WORKER } from "../support/worker.ts";
import { breakChecksumsTo, type Flow } from "./support/checksum-fault.ts";
import { type CniLab, createCniLab } from "./support/cni-lab.ts";
import { askFrom, listenIn } from "./support/http.ts";
import { countDatagrams, counted, ENDS, offloaded, PORT, start } from "./support/offload.ts";

const NONCE = "00112233445566778899aabbccddeeff";
let lab: CniLab;
let servers: (Server | Socket)[] = [];

/** A device of its own for each test: what is off stays off for its life. */
beforeEach(async () => {
  lab = await createCniLab(`offload${WORKER}`);
});
afterEach(async () => {
  for (const server of servers) server.close();
  servers = [];
  await lab.remove();
});

/** A socket that is closed after the test. */
function udpSocket(netns: string, address: string, port: number): Socket {
  const namespace = openNetns(netns);
  try {
    const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
    socket.bind({ fd: createUdpSocket(address, port, namespace) });
    servers.push(socket);
    return socket;
  } finally {
    namespace.close();
  }
}

/** What node 2 answers to a question from `address` of the namespace at `netns`. */
async function answerTo(
  netns: string,
  address: string,
  { ttl }: { readonly ttl: number },
): Promise<string | undefined> {
  const socket = udpSocket(netns, address, PORT);
  const question = encodeOffloadMessage({ kind: "question", nonce: NONCE });
  const answer = new Promise<string>((resolve) => {
    socket.once("message", (bytes) => resolve(bytes.toString("hex")));
  });
  socket.setTTL(ttl);
  socket.send(question, PORT, ENDS.ipv4.to);
  return Promise.race([answer, pause(300).then(() => undefined)]);
}

/** Whether a datagram from one pod arrives at another. */
async function passes(from: string, to: string, flow: Flow): Promise<boolean> {
  const [sender, receiver] = [udpSocket(from, flow.from, 0), udpSocket(to, flow.to, 0)];
  let arrived = false;
  receiver.on("message", () => {
    arrived = true;
  });
  sender.send("hello", receiver.address().port, flow.to);
  await waitFor("the datagram", () => arrived, { deadline: 500 }).catch(() => {});
  return arrived;
}

const reverse = ({ from, to }: Flow): Flow => ({ from: to, to: from });

test("a card that spoils checksums: the kernel makes them, and pods reach each other", {
  timeout: 150_000,
}, async () => {
  const { node1, node2 } = lab;
  await start(node1, node2);
  const [a, b] = await Promise.all([lab.addPod(), lab.addPod()]);
  const [podA, podB] = [await node1.add("a", a), await node2.add("b", b)];
  servers.push(listenIn(b, 8080));
  const pods: Flow[] = [
    { from: podA.ipv4, to: podB.ipv4 },
    { from: podA.ipv6, to: podB.ipv6 },
  ];
  await waitFor("pods to reach each other", () => askFrom(a, podB.ipv4, 8080), { deadline: 10_000 });
  await Promise.all([node1.kill(), node2.kill()]);
  const flows = [...pods, ...Object.values(ENDS)];
  await breakChecksumsTo(node2, flows);
  await breakChecksumsTo(node1, flows.map(reverse));
  for (const flow of pods) {
    expect(await passes(a, b, flow)).toBe(false);
    await expect(askFrom(a, flow.to, 8080)).rejects.toThrow(/timed out/);
  }

  await start(node1, node2);
  for (const node of [node1, node2]) {
    await waitFor(`${node.name} to make checksums itself`, () => !offloaded(node), { deadline: 40_000 });
    expect(node.log()).toContain("cni.checksum_offload_off");
  }
  for (const flow of pods) {
    expect(await passes(a, b, flow)).toBe(true);
    expect(await passes(b, a, reverse(flow))).toBe(true);
    expect(await askFrom(a, flow.to, 8080)).toBe(flow.from);
  }
  await node1.kill();
  await start(node1);
  expect(offloaded(node1)).toBe(false);
});

test("the other ends of the tunnel are answered, and nobody else", { timeout: 60_000 }, async () => {
  const { node1, node2 } = lab;
  await start(node1, node2);
  const netns = `/run/netns/${node1.netns}`;
  const pod = await lab.addPod();
  const { ipv4 } = await node1.add("asker", pod);
  await waitFor("the way to node 2", () => node1.run("ping", "-c1", "-W1", "-I", ENDS.ipv4.from, ENDS.ipv4.to), {
    deadline: 10_000,
  });
  await node1.kill();
  const answer = Buffer.from(encodeOffloadMessage({ kind: "answer", nonce: NONCE })).toString("hex");
  const answered = () => answerTo(netns, ENDS.ipv4.from, { ttl: 255 });
  await waitFor("an answer", async () => (await answered()) === answer, { deadline: 10_000 });
  expect(await answerTo(netns, ENDS.ipv4.from, { ttl: 254 })).toBeUndefined();
  expect(await answerTo(netns, "192.168.1.11", { ttl: 255 })).toBeUndefined();
  expect(await answerTo(pod, ipv4, { ttl: 255 })).toBeUndefined();
  expect(await answered()).toBe(answer);
});

test("without a fault it stays on, for a handful of datagrams", { timeout: 60_000 }, async () => {
  const { node1, node2 } = lab;
  for (const node of [node1, node2]) await countDatagrams(node);
  await start(node1, node2);
  for (const node of [node1, node2]) {
    await waitFor("two questions and two answers", async () => Math.min(...(await counted(node))) >= 4, {
      deadline: 15_000,
    });
    expect(offloaded(node)).toBe(true);
    expect(Math.max(...(await counted(node)))).toBeLessThan(12);
  }
});
