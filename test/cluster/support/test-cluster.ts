import { join } from "node:path";
import { type CommandResult, runInHost } from "../../../lab/command.ts";
import { waitFor } from "../../support/wait.ts";
import { removeCluster, startBareCluster } from "../cluster.ts";
import { buildImages } from "../image/build.ts";
import { installVariant } from "../install.ts";
import { getObject } from "../kubectl.ts";
import { CHECKOUT, type ClusterPlan, planCluster } from "../plan.ts";
import type { Variant } from "../variant.ts";

/** Beside a cluster that somebody is looking at, which is not touched. */
const PLACE = { tag: "test", directory: join(CHECKOUT.root, "dist", "cluster", "test") };

export interface TestCluster extends AsyncDisposable {
  readonly plan: ClusterPlan;
  /** Milliseconds it took to start. */
  readonly took: number;
}

/** A cluster for one test file; of an image built before, as "make test-cluster" does. */
export async function startTestCluster(variant: Variant | "bare"): Promise<TestCluster> {
  const image = process.env.IRONBRIDGE_IMAGE;
  const plan = planCluster(image === undefined ? PLACE : { ...PLACE, image });
  const say = () => {};
  await buildImages(say);
  const start = performance.now();
  await startBareCluster(plan, say);
  if (variant !== "bare") await installVariant(plan, variant, say);
  return { plan, took: performance.now() - start, [Symbol.asyncDispose]: () => removeCluster(plan) };
}

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

/** The external address of a Service, once it has one. */
export function externalAddress(plan: ClusterPlan, namespace: string, name: string): Promise<string> {
  const look = async () => {
    const service = await getObject<ServiceObject>(plan, "service", name, "-n", namespace);
    return service.status.loadBalancer.ingress?.[0]?.ip;
  };
  return waitFor(`an address for ${namespace}/${name}`, look, { deadline: 10_000, every: 50 });
}
