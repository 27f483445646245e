import { spawn } from "node:child_process";
import { once } from "node:events";
import { constants, setPriority } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { V1EndpointSlice, V1Service } from "../../kube/mod.ts";
import { nodeObject, type SpeakerNode, startSpeakerLab } from "../lab/support/speaker-lab.ts";
import { waitFor } from "../support/wait.ts";
import { type Bench, type Figure, percentile } from "./figure.ts";
import type { ArpLatency } from "./support/arp-latency.ts";

const PREFIX = "10.50";
const ADDRESSES = 1000;
const SERVICES = 30_000;
/** Milliseconds for which Services come in, all of them again and again. */
const LOADING = 10_000;
/** Milliseconds without an announcement after which there is none for a while: the rhythm has pauses of 1.1 s. */
const SILENCE = 4000;
const NO_PEER = { peer: "none", peerValue: null };

/** One node with many addresses: do all its neighbours hear of them, and how fast does it answer. */
export const bench: Bench = {
  summary: `${ADDRESSES} addresses on one node: announcements lost, and time to answer, idle and while ${SERVICES} Services come in`,
  run: async (progress) => {
    const pools = [
      { metadata: { name: "pool", namespace: "metallb-system" }, spec: { addresses: [`${PREFIX}.0.0/22`] } },
    ];
    const alone = [nodeObject({ name: "node1", address: "192.168.1.11" } as never)];
    await using lab = await startSpeakerLab({ nodes: alone, pools, services: [], slices: [] });
    const node = lab.node("node1");
    const { client } = lab.topology;
    const script = join(import.meta.dirname, "support/arp-latency.ts");
    const argument = JSON.stringify({ prefix: PREFIX, count: ADDRESSES, own: client.address });
    const args = ["netns", "exec", client.netns, process.execPath, script, argument];
    const neighbour = spawn("ip", args, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    const measure = async (): Promise<ArpLatency> => {
      const answered = once(neighbour, "message");
      neighbour.send("tell");
      return (await answered)[0];
    };
    await measure();

    const names = Array.from({ length: ADDRESSES }, (_, i) => i);
    await node.order({ kind: "program", services: names.map((i) => `default/s${i}`) });
    await node.order({ kind: "slices", slices: names.map((i) => sliceOf(`s${i}`)) });
    const services = names.map((i) => serviceOf(`s${i}`, `${PREFIX}.${i >> 8}.${i & 0xff}`));
    await node.order({ kind: "services", services });
    const all = async () =>
      (await node.order({ kind: "tell" })).state.addresses.every(({ stance }) => stance === "holds");
    await waitFor("all addresses to be held", all, { deadline: 60_000, every: 200 });
    const sent = await announcedInFull(node);
    const { gratuitous } = await measure();
    const heard = Object.values(gratuitous).reduce((sum, each) => sum + each, 0);
    const unheard = names.length - Object.keys(gratuitous).length;
    progress(
      `announcements of ${names.length} addresses: ${sent} sent, ${heard} heard; ${unheard} addresses not heard of`,
    );

    await pause(5000);
    const idle = await measure();
    // This process stands for an API server, which is on another machine.
    setPriority(constants.priority.PRIORITY_LOW);
    const ids = Array.from({ length: SERVICES }, (_, i) => `c${i}`);
    for (const end = Date.now() + LOADING; Date.now() < end; ) {
      await node.order({ kind: "slices", slices: ids.map(sliceOf) });
      await node.order({ kind: "services", services: ids.map((id) => serviceOf(id, undefined)) });
    }
    const busy = await measure();
    setPriority(constants.priority.PRIORITY_NORMAL);
    neighbour.disconnect();
    const figure = (about: string, metric: string, unit: string, value: number, n: number): Figure => {
      return { bench: "l2-answers", case: about, n, metric, unit, value: Math.round(value * 1000) / 1000, ...NO_PEER };
    };
    const latency = (about: string, { answers, late, unanswered }: ArpLatency) => [
      figure(about, "p50", "ms", percentile(answers, 0.5), answers.length),
      figure(about, "p99", "ms", percentile(answers, 0.99), answers.length),
      figure(about, "max", "ms", Math.max(...answers), answers.length),
      figure(`${about}: lateness of the asker's own clock`, "p99", "ms", percentile(late, 0.99), late.length),
      figure(about, "unanswered", "questions", unanswered, answers.length),
    ];
    return [
      figure("announcements lost", "total", "frames", sent - heard, sent),
      figure("addresses not heard of", "total", "addresses", unheard, names.length),
      ...latency("time to answer, idle", idle),
      ...latency(`time to answer while ${SERVICES} Services come in`, busy),
    ];
  },
};

/** Waits until no more announcements are sent, and gives how many were. */
async function announcedInFull(node: SpeakerNode): Promise<number> {
  for (let before = 0; ; ) {
    await pause(SILENCE);
    const sent = await announcedBy(node);
    if (sent > 0 && sent === before) return sent;
    before = sent;
  }
}

/** Frames the node says it has announced addresses by; told once a second. */
async function announcedBy(node: SpeakerNode): Promise<number> {
  const { metrics } = await node.order({ kind: "tell" });
  const counters = [...metrics.matchAll(/^metallb_layer2_gratuitous_sent\{.*\} (\d+)$/gm)];
  return counters.reduce((sum, [, value]) => sum + Number(value), 0);
}

function serviceOf(name: string, ip: string | undefined): V1Service {
  const metadata = { name, namespace: "default" };
  if (ip === undefined) return { metadata, spec: { type: "ClusterIP" } };
  return { metadata, spec: { type: "LoadBalancer" }, status: { loadBalancer: { ingress: [{ ip }] } } };
}

function sliceOf(name: string | number): V1EndpointSlice {
  return {
    metadata: { name: `${name}-1`, namespace: "default", labels: { "kubernetes.io/service-name": `${name}` } },
    addressType: "IPv4",
    endpoints: [{ addresses: ["10.244.1.7"], nodeName: "node1", conditions: { ready: true } }],
  };
}
