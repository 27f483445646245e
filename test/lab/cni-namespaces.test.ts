import type { Server } from "node:http";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { V1Namespace } from "../../kube/mod.ts";
import { type AddJson, type CniLab, type CniNode, createCniLab, nodeObject } from "./support/cni-lab.ts";
import { askFrom, listenIn } from "./support/http.ts";

/** Four addresses of each family of each node; a half of IPv4 only. */
const CLAIMS = { shop: "0.0.0.64/30,::40/126", bank: "0.0.0.128/25", default: undefined };
const NODES = [nodeObject(1), nodeObject(2)];

let lab: CniLab;
let servers: Server[] = [];
let made = 0;

beforeAll(async () => {
  lab = await createCniLab();
  for (const node of [lab.node1, lab.node2]) node.start(NODES, { namespaces: namespacesOf(CLAIMS) });
  await Promise.all([lab.node1.whenReady(), lab.node2.whenReady()]);
});
afterEach(() => {
  for (const server of servers) server.close();
  servers = [];
});
afterAll(() => lab.remove());

/** @param claims Annotations by name, the oldest Namespace first. */
function namespacesOf(claims: Readonly<Record<string, string | undefined>>): V1Namespace[] {
  return Object.entries(claims).map(([name, value], i) => ({
    metadata: {
      name,
      creationTimestamp: new Date(Date.UTC(2026, 0, i + 1)).toISOString(),
      annotations: value === undefined ? {} : { "ironbridge.io/pod-ranges": value },
    },
  }));
}

/** Tells `node` of all Namespaces; returns when it has heard: it takes a pod of one that it did not know before. */
async function tell(node: CniNode, claims: Readonly<Record<string, string | undefined>>): Promise<void> {
  const news = `news-${made++}`;
  node.setNamespaces(namespacesOf({ ...claims, [news]: undefined }));
  const pod = await add(node, news);
  await node.call({ command: "DEL", containerId: pod.containerId, netns: pod.netns });
}

/** ADD of a new pod, as the runtime does it for the kubelet. */
async function ask(node: CniNode, namespace: string, annotations: object = {}) {
  const containerId = `pod-${made++}`;
  const netns = await lab.addPod();
  const config = { runtimeConfig: { "io.kubernetes.cri.pod-annotations": annotations } };
  const { exit, stdout } = await node.call({ command: "ADD", containerId, netns, namespace, config });
  return { containerId, netns, exit, answer: JSON.parse(stdout) };
}

async function add(node: CniNode, namespace: string, annotations: object = {}) {
  const { containerId, netns, exit, answer } = await ask(node, namespace, annotations);
  expect(answer).toMatchObject({ ips: expect.anything() });
  expect(exit).toBe(0);
  const { ips }: AddJson = answer;
  const [ipv4 = "", ipv6 = ""] = ips.map(({ address }) => address.split("/")[0]!);
  return { containerId, netns, ipv4, ipv6, result: answer };
}

describe("pods of a Namespace with pod-ranges", () => {
  test("have addresses of its part of each node, others of none that is claimed; all reach each other", async () => {
    const pods = [];
    for (const node of [lab.node1, lab.node2]) {
      for (const namespace of ["shop", "bank", "default"]) pods.push(await add(node, namespace));
    }
    expect(pods.map(({ ipv4, ipv6 }) => `${ipv4} ${ipv6}`)).toEqual([
      "10.244.1.64 fd00:244:1::40",
      "10.244.1.128 fd00:244:1::2",
      "10.244.1.2 fd00:244:1::3",
      "10.244.2.64 fd00:244:2::40",
      "10.244.2.128 fd00:244:2::2",
      "10.244.2.2 fd00:244:2::3",
    ]);
    expect(pods[0]?.result.ips[0]).toEqual({ address: "10.244.1.64/24", gateway: "10.244.1.1", interface: 2 });
    const [shop, near, , , far] = pods;
    servers.push(listenIn(near!.netns, 8080), listenIn(far!.netns, 8080));
    expect(await askFrom(shop!.netns, far!.ipv4, 8080)).toBe(shop!.ipv4);
    expect(await askFrom(shop!.netns, near!.ipv6, 8080)).toBe(shop!.ipv6);
  });

  test("are refused by name when it is full, while others and STATUS see nothing of it", async () => {
    const pods = [await add(lab.node1, "shop"), await add(lab.node1, "shop"), await add(lab.node1, "shop")];
    expect(pods.map(({ ipv4 }) => ipv4)).toEqual(["10.244.1.65", "10.244.1.66", "10.244.1.67"]);
    const { exit, answer } = await ask(lab.node1, "shop");
    expect([exit, answer.code]).toEqual([1, 100]);
    expect(answer.msg).toContain(
      "all addresses of 10.244.1.64/30, where pods of Namespace shop get theirs, are in use",
    );
    expect((await lab.node1.call({ command: "STATUS" })).exit).toBe(0);
    await add(lab.node1, "default");
    const [ended] = pods;
    await lab.node1.call({ command: "DEL", containerId: ended!.containerId, netns: ended!.netns });
    expect((await add(lab.node1, "shop")).ipv4).toBe("10.244.1.65");
  });

  test("may ask for an address of theirs, and others may not", async () => {
    const wanting = (address: string) => ({ "ironbridge.io/pod-addresses": address });
    expect((await add(lab.node1, "bank", wanting("10.244.1.200"))).ipv4).toBe("10.244.1.200");
    const foreign = await ask(lab.node1, "default", wanting("10.244.1.201"));
    expect(foreign.answer).toMatchObject({
      code: 103,
      msg: "address 10.244.1.201 lies in 10.244.1.128/25, which only pods of Namespace bank get addresses of",
    });
    const outside = await ask(lab.node1, "bank", wanting("10.244.1.100"));
    expect(outside.answer).toMatchObject({
      code: 103,
      msg: expect.stringContaining("lies outside of 10.244.1.128/25"),
    });
    expect((await add(lab.node1, "default", wanting("10.244.1.100"))).ipv4).toBe("10.244.1.100");
  });
});

describe("pod-ranges", () => {
  test("that change count for new pods, those that run keep their addresses, also over a restart", async () => {
    const before = await add(lab.node2, "bank");
    const claims = { ...CLAIMS, bank: "0.0.0.96/27", default: "0.0.0.128/25" };
    await tell(lab.node2, claims);
    expect((await add(lab.node2, "bank")).ipv4).toBe("10.244.2.96");
    const check = { command: "CHECK", containerId: before.containerId, netns: before.netns, namespace: "bank" };
    const config = { prevResult: before.result };
    expect(await lab.node2.call({ ...check, config })).toEqual({ exit: 0, stdout: "" });
    await lab.node2.kill();
    lab.node2.start(NODES, { namespaces: namespacesOf(claims) });
    await lab.node2.whenReady();
    expect((await add(lab.node2, "bank")).ipv4).toBe("10.244.2.97");
    const taken = new Set([before.ipv4, "10.244.2.128"]);
    expect(taken).not.toContain((await add(lab.node2, "default")).ipv4);
    await tell(lab.node2, CLAIMS);
  });

  test("that are wrong stop pods of their Namespace only, until they are right", async () => {
    await tell(lab.node2, { ...CLAIMS, late: "0.0.0.64/29", wide: "0.0.0.0/16" });
    const late = await ask(lab.node2, "late");
    expect(late.answer).toMatchObject({
      code: 103,
      msg:
        'annotation ironbridge.io/pod-ranges "0.0.0.64/29" of Namespace late: 0.0.0.64/29 overlaps 10.244.2.64/30, ' +
        "which Namespace shop has; write the same part to share it, or another one",
    });
    const wide = await ask(lab.node2, "wide");
    expect(wide.answer.msg).toContain("0.0.0.0/16 is larger than the node's pod prefix 10.244.2.0/24");
    expect((await add(lab.node2, "shop")).ipv4).toMatch(/^10\.244\.2\.6[4-7]$/);
    await add(lab.node2, "default");
    await tell(lab.node2, { ...CLAIMS, late: "0.0.0.64/30,::40/126" });
    expect((await add(lab.node2, "late")).ipv4).toMatch(/^10\.244\.2\.6[4-7]$/);
  });

  test("leave STATUS at what pods of other Namespaces can have", async () => {
    const small = [nodeObject(1), nodeObject(2, ["10.244.9.0/29"])];
    await lab.node2.kill();
    lab.node2.start(small, { namespaces: namespacesOf({ shop: "0.0.0.4/30", default: undefined }) });
    await lab.node2.whenReady();
    await add(lab.node2, "default");
    expect((await lab.node2.call({ command: "STATUS" })).exit).toBe(0);
    await add(lab.node2, "default");
    const { answer } = await ask(lab.node2, "default");
    expect(answer).toMatchObject({ code: 100, msg: expect.stringContaining("in use or claimed by Namespaces") });
    const status = JSON.parse((await lab.node2.call({ command: "STATUS" })).stdout);
    const msg = "no free pod address is left in 10.244.9.0/29 beside what Namespaces claim";
    expect(status).toMatchObject({ code: 50, msg });
    expect((await add(lab.node2, "shop")).ipv4).toBe("10.244.9.4");
  });
});

test("ADD waits for a Namespace that was just made, and says try again when nobody tells of it", async () => {
  const early = add(lab.node1, "new");
  lab.node1.setNamespaces(namespacesOf({ ...CLAIMS, new: "0.0.0.96/28" }));
  expect((await early).ipv4).toBe("10.244.1.96");
  const { answer } = await ask(lab.node1, "unheard-of");
  expect(answer).toMatchObject({ code: 11, msg: expect.stringContaining("Namespace unheard-of is not known") });
});
