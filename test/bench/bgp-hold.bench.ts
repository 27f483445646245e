import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { isUp, NAMESPACE, peerObject, startBgpLab, webService, webSlice } from "../lab/support/bgp-lab.ts";
import type { BgpAnswer, BgpOrder } from "../lab/support/bgp-node.ts";
import { waitFor } from "../support/wait.ts";
import type { Bench, Figure } from "./figure.ts";

/** Eight sessions with BFD at 3 x 50 ms go on while the agent's other thread loads 30,000 Services. */
const SERVICES = Number(process.env.BENCH_SERVICES ?? 30_000);
const PEERS = Array.from({ length: 8 }, (_, i) => ({ name: `peer${i + 1}`, address: `192.0.2.${21 + i}` }));
const FAST = { transmitInterval: 50, receiveInterval: 50, detectMultiplier: 3 };

/** A router with an address of its own: BIRD has one session with a neighbour, so each peer is a BIRD. */
function birdConfig(address: string, node: string): string {
  return [
    `router id ${address};`,
    "protocol device {}",
    'protocol bfd { strict bind on; interface "*" { min rx interval 50 ms; min tx interval 50 ms; multiplier 3; }; }',
    `protocol bgp node { local ${address} as 64512; neighbor ${node} as 64513; strict bind on; passive on; direct; bfd on;`,
    "  ipv4 { import all; export none; }; }",
    "",
  ].join("\n");
}

function manyServices() {
  const all = Array.from({ length: SERVICES }, (_, i) => ({
    name: `web${i}`,
    ip: `10.${200 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}`,
  }));
  return {
    services: all.map(({ name, ip }) => ({ ...webService({}, [ip]), metadata: { name, namespace: "default" } })),
    slices: all.map(({ name }) => ({
      ...webSlice(["node1"]),
      metadata: { name: `${name}-1`, namespace: "default", labels: { "kubernetes.io/service-name": name } },
    })),
  };
}

export const bench: Bench = {
  summary: `8 peers with BFD 3 x 50 ms while ${SERVICES} Services are loaded`,
  async run(progress) {
    await using lab = await startBgpLab({
      tag: "hold",
      nodes: 1,
      objects: () => ({
        services: [],
        slices: [],
        pools: [{ metadata: { name: "pool", namespace: NAMESPACE }, spec: { addresses: ["10.200.0.0/15"] } }],
        bgpPeers: PEERS.map(({ name, address }) => peerObject({ peerAddress: address, bfdProfile: "fast" }, name)),
        bfdProfiles: [{ metadata: { name: "fast", namespace: NAMESPACE }, spec: FAST }],
      }),
    });
    const [node] = lab.nodes;
    if (node === undefined) throw new Error("no node");
    for (const { name, address } of PEERS) {
      await lab.inRouter("ip", "address", "add", `${address}/24`, "dev", "lan0");
      const file = join(lab.directory, `${name}.conf`);
      writeFileSync(file, birdConfig(address, node.v4));
      lab.daemon("bird", "-f", "-c", file, "-s", join(lab.directory, `${name}.ctl`));
    }
    const up = (answer: BgpAnswer) =>
      PEERS.every(({ name }) => isUp(answer, name) && answer.state.peers[name]?.bfd?.state === "up");
    await node.until("eight sessions with BFD", up, 30_000);
    progress("all sessions are up; loading");
    const log = node.log().length;
    const since = performance.now();
    node.process.send({ kind: "setQuietly", objects: manyServices() } satisfies BgpOrder);
    const known = async (name: string) => {
      const shown = await lab.inRouter("birdc", "-s", join(lab.directory, `${name}.ctl`), "show", "route", "count");
      return shown.includes(`${SERVICES} of ${SERVICES} routes`);
    };
    for (const { name } of PEERS) await waitFor(`all routes at ${name}`, () => known(name), { deadline: 120_000 });
    const took = performance.now() - since;
    const lost = (event: string) => node.log().slice(log).split(`"event":"${event}"`).length - 1;
    const about = {
      bench: "bgp-hold",
      n: PEERS.length,
      metric: "sessions lost",
      unit: "",
      peer: "target",
      peerValue: 0,
    };
    const figures: Figure[] = [
      { ...about, case: "BFD", value: lost("bfd.down") },
      { ...about, case: "BGP", value: lost("bgp.down") },
    ];
    const loading = { bench: "bgp-hold", case: "load until all 8 peers know all", n: 1, metric: "total", unit: "ms" };
    return [...figures, { ...loading, value: Math.round(took), peer: "none", peerValue: null }];
  },
};
