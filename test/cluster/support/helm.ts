import { join } from "node:path";
import { runCommand } from "../../../lab/command.ts";
import { CHECKOUT, type ClusterPlan } from "../plan.ts";

/** Ironbridge's chart. */
export const CHART = join(CHECKOUT.root, "deploy/helm/ironbridge");
/** Milliseconds; --wait has to end within. */
const LONGEST = 180_000;

/** helm as the administrator of the cluster, in the namespace of Ironbridge. @throws with helm's own words. */
export async function helm(plan: ClusterPlan, ...args: readonly string[]): Promise<string> {
  // What it keeps for itself goes to the cluster's directory.
  const env = { PATH: process.env.PATH ?? "", HOME: plan.directory, KUBECONFIG: plan.kubeconfig };
  const command = [...args, "--namespace=ironbridge-system", `--timeout=${LONGEST / 1000 - 10}s`];
  const { exitCode, stdout, stderr } = await runCommand(join(CHECKOUT.bin, "helm"), command, { env, timeout: LONGEST });
  if (exitCode !== 0) throw new Error(`helm ${args.join(" ")}: ${stderr.trim()}`);
  return stdout;
}
