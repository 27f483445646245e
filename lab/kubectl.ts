import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { IronbridgeError } from "../core/mod.ts";
import { runCommand } from "./command.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** The directory of the sample objects. */
export const SAMPLES: string = join(ROOT, "deploy", "samples");

/**
 * Runs kubectl, as tools/setup installed it or else the one of this machine, and gives its standard output.
 * @throws {IronbridgeError} IB_LAB_FAILED with kubectl's own words
 */
export async function runKubectl(kubeconfig: string, args: readonly string[], input?: string): Promise<string> {
  const path = [join(ROOT, "dist", "bin"), process.env.PATH ?? ""].join(delimiter);
  const env = { PATH: path, HOME: process.env.HOME ?? "/root", KUBECONFIG: kubeconfig };
  const result = await runCommand("kubectl", args, { env, ...(input !== undefined ? { input } : {}) });
  if (result.exitCode === 0) return result.stdout;
  throw new IronbridgeError("IB_LAB_FAILED", `kubectl ${args.join(" ")}: ${result.stderr.trim()}`);
}
