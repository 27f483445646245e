import { runKubectl } from "../../lab/kubectl.ts";
import type { ClusterPlan } from "./plan.ts";

/** kubectl of this computer, as the administrator of the cluster. @throws {IronbridgeError} with kubectl's own words. */
export function kubectl(plan: ClusterPlan, args: readonly string[], input?: string): Promise<string> {
  return runKubectl(plan.kubeconfig, args, input);
}

/** Applies a manifest given as text. */
export function applyText(plan: ClusterPlan, text: string): Promise<string> {
  return kubectl(plan, ["apply", "--server-side", "--force-conflicts", "-f", "-"], text);
}

/** One object as the API server has it. */
export async function getObject<T>(plan: ClusterPlan, ...args: readonly string[]): Promise<T> {
  return JSON.parse(await kubectl(plan, ["get", ...args, "-o", "json"])) as T;
}
