import { mkdtempSync, readdirSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { exec } from "../../linux/mod.ts";
import { waitFor } from "../support/wait.ts";
import { type CniLab, createCniLab, nodeObject } from "./support/cni-lab.ts";
import { Containerd, IMAGE } from "./support/containerd.ts";

const NODES = [nodeObject(1)];
/** How often things die, and how many pods are started meanwhile. */
const ROUNDS = 5;
const AT_ONCE = 6;
const RESULT_DIRECTORY = "/var/lib/cni/results";
const NETNS_DIRECTORY = "/run/netns";

let lab: CniLab;
let directory: string;
let containerd: Containerd;
/** Namespaces that were there before. */
let others: readonly string[];

beforeAll(async () => {
  others = namespaces();
  lab = await createCniLab();
  start();
  await lab.node1.whenReady();
  directory = mkdtempSync(join(tmpdir(), "ib-cri-"));
  containerd = new Containerd(directory, lab.node1);
  await containerd.start();
});
afterAll(async () => {
  try {
    for (const pod of await containerd.cri.listPods()) await remove(pod);
  } finally {
    await containerd.kill();
    await lab.remove();
    // Also what containerd forgot of a pod that it had not written down yet: not the network's to remove.
    for (const name of namespaces().filter((each) => !others.includes(each))) await exec("ip", ["netns", "del", name]);
    rmSync(directory, { recursive: true });
  }
});

/** containerd's library keeps its results where all do. */
function start(): void {
  lab.node1.start(NODES, { resultDir: RESULT_DIRECTORY });
}

/** As the kubelet does it: again, until it succeeds. A call that died with the runtime has left it what it could. */
async function remove(pod: string): Promise<void> {
  let reason: unknown;
  const removed = () =>
    containerd.cri.removePod(pod).then(
      () => true,
      (error: unknown) => {
        reason = error;
        return false;
      },
    );
  await waitFor(`pod ${pod} to be gone`, removed, { deadline: 60_000, every: 1_000 }).catch((error: unknown) => {
    throw new Error(`${error}: ${reason}`);
  });
}

const outside = (...command: readonly string[]) =>
  exec("ip", ["netns", "exec", lab.outside.split("/").at(-1)!, ...command]);
const curl = (url: string) => outside("curl", "-sS", "--noproxy", "*", "--max-time", "1", url);

/** Namespaces that containerd made. */
const namespaces = () => readdirSync(NETNS_DIRECTORY).filter((name) => name.startsWith("cni-"));

/** What pods have of the node: interfaces, limits, namespaces. */
async function podsOnNode() {
  const links = (await lab.node1.run("ip", "-br", "link")).match(/^i[bq][0-9a-f]{13}/gm) ?? [];
  return { links: links.length, namespaces: namespaces().length };
}

test("containerd runs a pod with a container: addresses, host port, limit; and takes all of it away", async () => {
  const annotations = { "kubernetes.io/egress-bandwidth": "10M" };
  const pod = { name: "web", hostPort: 8088, annotations };
  const before = await podsOnNode();
  const id = await containerd.cri.runPod(pod);
  const serve = ["/bin/busybox", "httpd", "-f", "-p", "8080", "-h", "/www"];
  await containerd.cri.runContainer(id, pod, IMAGE, serve);
  const [ipv4 = "", ipv6 = ""] = await containerd.cri.addressesOf(id);
  expect([ipv4, ipv6]).toEqual([expect.stringMatching(/^10\.244\.1\./), expect.stringMatching(/^fd00:244:1::/)]);
  const answers = async () => (await curl("http://192.168.1.11:8088/")) === "a container\n";
  await waitFor("the container on its host port", answers, { deadline: 10_000 });
  expect(await lab.node1.run("curl", "-sS", `http://[${ipv6}]:8080/`)).toBe("a container\n");
  expect(await podsOnNode()).toEqual({ links: before.links + 2, namespaces: before.namespaces + 1 });

  await containerd.cri.removePod(id);
  expect(await podsOnNode()).toEqual(before);
  await expect(curl("http://192.168.1.11:8088/")).rejects.toThrow();
});

test("a pod whose result containerd had not finished writing can be removed", { timeout: 90_000 }, async () => {
  const before = await podsOnNode();
  const id = await containerd.cri.runPod({ name: "unfinished" });
  const path = join(RESULT_DIRECTORY, `ironbridge-${id}-eth0`);
  truncateSync(path);
  await expect(containerd.cri.removePod(id)).rejects.toThrow("unexpected end of JSON input");
  await remove(id);
  expect(await podsOnNode()).toEqual(before);
});

test("containerd and the agent killed while pods start: no address twice, and GC leaves what pods that run have", {
  timeout: 300_000,
}, async () => {
  const before = await podsOnNode();
  const { cri } = containerd;
  for (let round = 0; round < ROUNDS; round++) {
    const names = Array.from({ length: AT_ONCE }, (_, i) => `crowd-${round}-${i}`);
    // A call that died with the runtime is no failure of the network.
    const starts = Promise.allSettled(names.map((name) => cri.runPod({ name })));
    await pause(50 + round * 100);
    await Promise.all([containerd.kill(), lab.node1.kill()]);
    await starts;
    start();
    await lab.node1.whenReady();
    await containerd.start();
  }
  const pods = await cri.listPods();
  expect(pods.length).toBeGreaterThan(0);
  const known = await Promise.all(pods.map(async (pod) => ({ pod, addresses: await cri.addressesOf(pod) })));
  const ready = known.filter(({ addresses }) => addresses[0] !== "");
  const addresses = ready.flatMap((each) => each.addresses);
  expect(new Set(addresses).size, String(addresses)).toBe(addresses.length);

  const valid = ready.map(({ pod }) => ({ containerID: pod, ifname: "eth0" }));
  const gc = await lab.node1.call({ command: "GC", config: { "cni.dev/valid-attachments": valid } });
  expect(gc).toEqual({ exit: 0, stdout: "" });
  expect((await podsOnNode()).links - before.links).toBe(ready.length);
  for (const address of addresses) await lab.node1.run("ping", "-c1", "-W2", address);
  for (const pod of pods) await remove(pod);
  expect((await podsOnNode()).links).toBe(before.links);
  await lab.node1.stop();
  expect(await lab.node1.countLeases()).toBe(0);
});
