import { join } from "node:path";
import { type CommandResult, runInHost } from "../../../lab/command.ts";
import { waitFor } from "../../support/wait.ts";
import { removeCluster, startBareCluster } from "../cluster.ts";
import { buildImages } from "../image/build.ts";
import { installVariant } from "../install.ts";
import { getObject } from "../kubectl.ts";
import { CHECKOUT, type ClusterPlan, planCluster } from "../plan.ts";
import type { Variant } from "../variant.ts";

/** Beside a cluster that somebody is looking at, which is not touched; two runs at once want two tags. */
const TAG = process.env.IRONBRIDGE_CLUSTER_TAG ?? "test";

export interface TestCluster extends AsyncDisposable {
  readonly plan: ClusterPlan;
}

/** A bare cluster for one test file. */
export async function startBareTestCluster({ ipFamilies }: Pick<Variant, "ipFamilies">): Promise<TestCluster> {
  const directory = join(CHECKOUT.root, "dist", "cluster", TAG);
  const image = process.env.IRONBRIDGE_IMAGE;
  const plan = planCluster({ tag: TAG, directory, ipFamilies, ...(image !== undefined && { image }) });
  await buildImages(silent);
  await startBareCluster(plan, silent);
  return { plan, [Symbol.asyncDispose]: () => removeCluster(plan) };
}

/** A cluster for one test file; of an image built before, as "make test-cluster" does. */
export async function startTestCluster(variant: Variant): Promise<TestCluster> {
  const cluster = await startBareTestCluster(variant);
  await installVariant(cluster.plan, variant, silent);
  return cluster;
}

const silent = () => {};

/** Runs a program on the host outside of the cluster. */
export function outside(plan: ClusterPlan, program: string, ...args: readonly string[]): Promise<CommandResult> {
  return runInHost(plan.client.netns, program, args);
}

/** What curl gets from outside of the cluster. @throws when it gets nothing. */
export async function curl(plan: ClusterPlan, url: string, ...args: readonly string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await outside(plan, "curl", "-sS", "--max-time", "2", ...args, url);
  if (exitCode !== 0) throw new Error(`curl ${url}: ${stderr}`);
  return stdout;
}

interface ServiceObject {
  readonly status: { readonly loadBalancer: { readonly ingress?: readonly { readonly ip: string }[] } };
}

/** The external addresses of a Service, once it has any: one of each of its families. */
export function externalAddresses(plan: ClusterPlan, namespace: string, name: string): Promise<readonly string[]> {
  const look = async () => {
    const service = await getObject<ServiceObject>(plan, "service", name, "-n", namespace);
    return service.status.loadBalancer.ingress?.map(({ ip }) => ip);
  };
  return waitFor(`an address for ${namespace}/${name}`, look, { deadline: 10_000, every: 50 });
}

/** The external address of a Service of one family. */
export async function externalAddress(plan: ClusterPlan, namespace: string, name: string): Promise<string> {
  const [address] = await externalAddresses(plan, namespace, name);
  return address!;
}

/** An address as the host of a URL. */
export function urlHost(address: string): string {
  return address.includes(":") ? `[${address}]` : address;
}
