import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLog } from "../../core/mod.ts";
import { type Lab, type LabNode, type LabOptions, removeTopology, startLab } from "../../lab/mod.ts";
import { isRunning } from "../../lab/process-table.ts";
import { waitFor } from "./wait.ts";

/** A lab of its own for one test file, in namespaces and a directory that no other uses. */
export async function startTestLab(options: Pick<LabOptions, "nodes" | "proxyMode" | "families"> = {}): Promise<Lab> {
  await removeOrphans();
  const dir = await mkdtemp(join(tmpdir(), "ib-"));
  const lab = await startLab({ ...options, tag: `t${process.pid}`, dir, log: silentLog() });
  const stop = async () => {
    await lab.stop();
    await rm(dir, { recursive: true, force: true });
  };
  return { ...lab, stop };
}

/** Removes the labs of tests and benchmarks that were interrupted: their names say whose they were. */
async function removeOrphans(): Promise<void> {
  const names = await readdir("/run/netns").catch(() => []); // no namespace was ever made on this machine
  const owners = new Set(names.flatMap((name) => /^ib-t(\d+)-/.exec(name)?.[1] ?? []));
  for (const owner of owners) if (!isRunning(Number(owner))) await removeTopology(`t${owner}`);
}

/** An address as it stands in a URL. */
export function hostOf(address: string): string {
  return address.includes(":") ? `[${address}]` : address;
}

/** What curl gets from outside the cluster; throws when it gets nothing. */
export async function curl(lab: Lab, url: string, ...args: readonly string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await lab.outside.exec("curl", ["-sS", "--max-time", "2", ...args, url]);
  if (exitCode !== 0) throw new Error(`curl ${url}: ${stderr}`);
  return stdout;
}

/** The addresses of a Service of type LoadBalancer, once it has one. */
export function addressOf(lab: Lab, name: string, deadline = 15_000): Promise<string> {
  const look = async () =>
    (await lab.kubectl(["get", "service", ...keyArgs(name), "-o", JSONPATH_ADDRESS])) || undefined;
  return waitFor(`an address for ${name}`, look, { deadline });
}

/** The node whose MAC the outside host has for `address`, asked anew. */
export async function announcerOf(lab: Lab, address: string): Promise<string | undefined> {
  await lab.outside.exec("ip", ["neigh", "flush", "to", address]);
  await lab.outside.exec("curl", ["-s", "-o", "/dev/null", "--max-time", "1", `http://${hostOf(address)}/`]);
  const { stdout } = await lab.outside.exec("ip", ["neigh", "show", "to", address]);
  const mac = /lladdr (\S+)/.exec(stdout)?.[1];
  for (const node of lab.nodes) {
    const link = await node.exec("ip", ["-br", "link", "show", "eth0"]);
    if (mac !== undefined && link.stdout.includes(mac)) return node.name;
  }
  return undefined;
}

/** Waits until every agent says that all its parts are ready. */
export async function agentsReady(lab: Lab): Promise<void> {
  for (const node of lab.nodes) {
    const ready = async () => {
      const { exitCode } = await node.exec("curl", ["-sf", "--max-time", "1", "http://127.0.0.1:10249/readyz"]);
      return exitCode === 0;
    };
    await waitFor(`the agent of ${node.name}`, ready, { deadline: 30_000, every: 100 });
  }
}

/** Ends a node's agent in order, and waits until the one that takes its place is ready. */
export async function replaceAgent(lab: Lab, node: LabNode): Promise<void> {
  const before = node.agentPid();
  node.killAgent("SIGTERM");
  await waitFor(`the next agent of ${node.name}`, () => (node.agentPid() ?? before) !== before, { deadline: 20_000 });
  await agentsReady(lab);
}

/** Sends kubectl a manifest on its standard input. */
export function apply(lab: Lab, ...objects: readonly object[]): Promise<string> {
  return lab.kubectl(["apply", "-f", "-"], JSON.stringify({ apiVersion: "v1", kind: "List", items: objects }));
}

const JSONPATH_ADDRESS = "jsonpath={.status.loadBalancer.ingress[*].ip}";

function keyArgs(key: string): string[] {
  const [namespace = "", name = ""] = key.split("/");
  return ["-n", namespace, name];
}
