import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CLIENT_ADDRESS, type IpFamilies, lan6Address } from "../../../lab/address-plan.ts";
import type { Lab } from "../../../lab/mod.ts";
import { exec } from "../../../linux/mod.ts";
import { apply, startTestLab } from "../../support/test-lab.ts";
import { waitFor } from "../../support/wait.ts";
import { applyDualStackWeb } from "./dual-stack-web.ts";
import { FAST_BFD, type Frr, startFrr } from "./frr.ts";

/** Addresses of the host outside the cluster, which is the router here, and of the client behind it, by family. */
const SITES = [
  { lan: CLIENT_ADDRESS, wan: "198.51.100.1", client: "198.51.100.2", behind: "198.51.100.0/24", length: 24 },
  {
    lan: lan6Address(CLIENT_ADDRESS),
    wan: "2001:db8:51::1",
    client: "2001:db8:51::2",
    behind: "2001:db8:51::/64",
    length: 64,
  },
] as const;
type Site = (typeof SITES)[number];

/** A whole cluster, FRR on the host outside of it, and a client that reaches the cluster through FRR alone. */
export interface BgpCluster extends AsyncDisposable {
  readonly lab: Lab;
  readonly frr: Frr;
  /** Name of the client's network namespace. */
  readonly client: string;
  inRouter(program: string, ...args: readonly string[]): Promise<string>;
  inClient(program: string, ...args: readonly string[]): Promise<string>;
}

export interface BgpClusterOptions {
  readonly nodes: number;
  /** ipv4 when absent. With both the session of a node, which runs over IPv4, carries both. */
  readonly families?: IpFamilies;
  /** Fields of the BGPPeer. */
  readonly peer?: object;
  /** Lines of FRR: of the whole router, and of each neighbour. */
  readonly router?: readonly string[];
  readonly neighbour?: readonly string[];
}

/**
 * Starts it with the lab's samples, or with web alone where there are both families, which are announced by BGP too, and waits
 * for the sessions.
 */
export async function startBgpCluster({
  nodes,
  families = "ipv4",
  peer,
  router = [],
  neighbour = [],
}: BgpClusterOptions): Promise<BgpCluster> {
  const lab = await startTestLab({ nodes, families });
  const sites = families === "dual" ? SITES : SITES.slice(0, 1);
  const directory = mkdtempSync(join(tmpdir(), "ib-frr-"));
  const { netns } = lab.outside;
  const client = `${netns}-behind`;
  const daemons: ChildProcess[] = [];
  const run = async (where: string, program: string, args: readonly string[]) =>
    exec("nsenter", [`--net=/run/netns/${where}`, program, ...args]);
  const inRouter = (program: string, ...args: readonly string[]) => run(netns, program, args);
  const daemon = (program: string, ...args: readonly string[]) => {
    const log = openSync(join(directory, `${program.split("/").at(-1)}.log`), "a");
    const inside = [`--net=/run/netns/${netns}`, program, ...args];
    const child = spawn("nice", ["-n", "-15", "nsenter", ...inside], { stdio: ["ignore", log, log] });
    daemons.push(child);
    return child;
  };
  await buildClient(lab, client, sites);
  await apply(lab, ...objects({ dualStackAddressFamily: families === "dual", ...peer }));
  if (families === "dual") await applyDualStackWeb(lab);
  else await lab.applySamples();
  const frr = await startFrr({ directory, daemon, inRouter }, [
    ...FAST_BFD,
    "router bgp 64512",
    " no bgp ebgp-requires-policy",
    ...router.map((line) => ` ${line}`),
    ...lab.nodes.flatMap(({ ip }) =>
      ["remote-as 64513", "timers connect 1", ...neighbour].map((line) => ` neighbor ${ip} ${line}`),
    ),
    " address-family ipv4 unicast",
    "  maximum-paths 8",
    " exit-address-family",
    " address-family ipv6 unicast",
    "  maximum-paths 8",
    ...(families === "dual" ? lab.nodes.map(({ ip }) => `  neighbor ${ip} activate`) : []),
    " exit-address-family",
  ]);
  const established = async () => {
    const { peers } = (await frr.show("show bgp ipv4 unicast summary")) as {
      peers?: Record<string, { state: string }>;
    };
    return lab.nodes.every(({ ip }) => peers?.[ip]?.state === "Established");
  };
  await waitFor("sessions with all nodes", established, { deadline: 30_000 });
  return {
    lab,
    frr,
    client,
    inRouter,
    inClient: (program, ...args) => run(client, program, args),
    [Symbol.asyncDispose]: async () => {
      for (const child of daemons) {
        const ended = once(child, "exit");
        child.kill("SIGKILL");
        await ended;
      }
      await lab.stop();
      rmSync(directory, { recursive: true });
    },
  };
}

async function buildClient(lab: Lab, client: string, sites: readonly Site[]): Promise<void> {
  const { netns } = lab.outside;
  const batch = (where: string, lines: readonly string[]) =>
    exec("ip", ["-n", where, "-batch", "-"], { input: `${lines.join("\n")}\n` });
  await exec("ip", ["netns", "add", client]);
  await batch(netns, [
    `link add name wan0 type veth peer name eth0 netns ${client}`,
    "link set dev wan0 up",
    ...sites.map(({ wan, length }) => `address add ${wan}/${length} dev wan0 nodad`),
  ]);
  await batch(client, [
    "link set dev lo up",
    "link set dev eth0 up",
    ...sites.map(({ client, length }) => `address add ${client}/${length} dev eth0 nodad`),
    ...sites.map(({ wan }) => `route add default via ${wan}`),
  ]);
  // By ports too, so that the connections of one client take all ways.
  const spread = ["net.ipv4.fib_multipath_hash_policy=1", "net.ipv6.fib_multipath_hash_policy=1"];
  const forward = ["net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", "net.ipv4.conf.all.rp_filter=0"];
  await lab.outside.exec("sysctl", ["-qw", ...spread, ...forward]);
  for (const node of lab.nodes) {
    for (const { behind, lan } of sites) await node.exec("ip", ["route", "replace", behind, "via", lan]);
  }
}

function objects(peer: object = {}): object[] {
  const metadata = (name: string) => ({ name, namespace: "ironbridge-system" });
  const times = { transmitInterval: 50, receiveInterval: 50, detectMultiplier: 3 };
  const spec = { myASN: 64513, peerASN: 64512, peerAddress: CLIENT_ADDRESS, ...peer };
  return [
    { apiVersion: "metallb.io/v1beta1", kind: "BFDProfile", metadata: metadata("fast"), spec: times },
    { apiVersion: "metallb.io/v1beta2", kind: "BGPPeer", metadata: metadata("router"), spec },
    { apiVersion: "metallb.io/v1beta1", kind: "BGPAdvertisement", metadata: metadata("all"), spec: {} },
  ];
}
