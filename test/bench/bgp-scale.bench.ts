import { spawn } from "node:child_process";
import { join } from "node:path";
import type { V1EndpointSlice, V1Service } from "../../kube/mod.ts";
import { NAMESPACE, peerObject, ROUTER, startBgpLab, webService, webSlice } from "../lab/support/bgp-lab.ts";
import type { BgpOrder } from "../lab/support/bgp-node.ts";
import type { SinkReport } from "../lab/support/bgp-sink.ts";
import { startFrr } from "../lab/support/frr.ts";
import { waitFor } from "../support/wait.ts";
import { type Bench, type Figure, summarize } from "./figure.ts";

/** 10,000 addresses to four routers, one of them FRR: how soon they know all, and how soon one more. */
const PREFIXES = 10_000;
const CHANGES = 50;
const SINKS = ["192.0.2.3", "192.0.2.4", "192.0.2.5"];

/** As `vtysh -c "show bgp ipv4 unicast summary json"` has it. */
interface Summary {
  readonly peers: Readonly<Record<string, { readonly pfxRcd: number }>>;
}
/** The log line of a session with the router that came up, and when. */
const UP = /"time":"([^"]+)"[^\n]*"bgp\.up","peer":"router"/;

function addressed(i: number): { services: V1Service[]; slices: V1EndpointSlice[] } {
  const named = (name: string) => ({ name, namespace: "default", labels: { "kubernetes.io/service-name": `web${i}` } });
  const ip = `10.200.${i >> 8}.${i & 255}`;
  return {
    services: [{ ...webService({}, [ip]), metadata: { name: `web${i}`, namespace: "default" } }],
    slices: [{ ...webSlice(["node1"]), metadata: named(`web${i}-1`) }],
  };
}

export const bench: Bench = {
  summary: `${PREFIXES} prefixes to 4 peers, and one change to all of them`,
  async run(progress) {
    const all = Array.from({ length: PREFIXES }, (_, i) => addressed(i));
    await using lab = await startBgpLab({
      tag: "scale",
      nodes: 1,
      objects: () => ({
        services: all.flatMap(({ services }) => services),
        slices: all.flatMap(({ slices }) => slices),
        pools: [{ metadata: { name: "pool", namespace: NAMESPACE }, spec: { addresses: ["10.200.0.0/16"] } }],
        bgpPeers: [peerObject({}), ...SINKS.map((peerAddress, i) => peerObject({ peerAddress }, `sink${i}`))],
      }),
    });
    const [node] = lab.nodes;
    if (node === undefined) throw new Error("no node");
    for (const address of SINKS) await lab.inRouter("ip", "address", "add", `${address}/24`, "dev", "lan0");
    const frr = await startFrr(
      lab,
      ["router bgp 64512", " no bgp ebgp-requires-policy", ` neighbor ${node.v4} remote-as 64513`],
      ["-l", ROUTER.v4],
    );
    const heard = new Map<string, SinkReport>();
    const script = join(import.meta.dirname, "../lab/support/bgp-sink.ts");
    const sink = spawn("nsenter", [`--net=/run/netns/${lab.router}`, process.execPath, script, ...SINKS], {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    sink.on("message", (report: SinkReport) => heard.set(report.address, report));
    try {
      const known = async () => {
        const { peers } = (await frr.show("show bgp ipv4 unicast summary")) as unknown as Summary;
        return peers[node.v4]?.pfxRcd ?? 0;
      };
      await waitFor("FRR to know all", async () => (await known()) >= PREFIXES, { deadline: 60_000 });
      progress("all routes are there; the sessions begin anew");
      const runs: number[] = [];
      for (let i = 0; i < 5; i++) {
        const log = node.log().length;
        await frr.text(`clear bgp ipv4 unicast ${node.v4}`);
        const up = await waitFor("the session", () => UP.exec(node.log().slice(log))?.[1], {
          deadline: 20_000,
          every: 5,
        });
        await waitFor("FRR to know all", async () => (await known()) >= PREFIXES, { deadline: 60_000, every: 5 });
        runs.push(Date.now() - Date.parse(up));
      }
      progress("one change at a time");
      const changes: number[] = [];
      for (let i = 0; i < CHANGES; i++) {
        const before = new Map([...heard].map(([address, { announced }]) => [address, announced]));
        const since = performance.timeOrigin + performance.now();
        node.process.send({ kind: "setQuietly", objects: addressed(PREFIXES + i) } satisfies BgpOrder);
        const told = () => SINKS.every((address) => (heard.get(address)?.announced ?? 0) > (before.get(address) ?? 0));
        await waitFor("all sinks", told, { deadline: 5000, every: 1 });
        changes.push(Math.max(...SINKS.map((address) => heard.get(address)?.at ?? 0)) - since);
        await new Promise((resolve) => setTimeout(resolve, 30));
      }
      const { memory } = await node.order({ kind: "tell" });
      const about = { bench: "bgp-scale", unit: "ms", peer: "none", peerValue: null };
      const size: Figure = {
        ...about,
        case: "memory of the process",
        n: 1,
        metric: "rss",
        unit: "MB",
        value: Math.round(memory / 1e6),
      };
      return [
        ...summarize({ ...about, case: `session up to ${PREFIXES} routes in FRR` }, runs),
        ...summarize({ ...about, case: `one address to all peers at ${PREFIXES}` }, changes),
        size,
      ];
    } finally {
      sink.kill();
    }
  },
};
