import { join } from "node:path";
import { Command } from "commander";
import { removePodNetwork } from "../cni/mod.ts";
import { type AgentPart, CLEANUP_OPTIONS, type CleanupOptions, readCleanupOptions } from "../config/mod.ts";
import { createLog, runProgram } from "../core/mod.ts";
import { removeKubeProxy, removeRules } from "../proxy/mod.ts";
import { forgetForwarding, removeSpeakerRules } from "../speaker/mod.ts";
import { addFlags } from "./settings.ts";

interface Switches {
  readonly kubeProxy?: true;
  readonly withPods?: true;
}

/** What there is of each part, in words; the pod network first, since only that may be refused. */
const REMOVED: readonly (readonly [part: AgentPart, what: string])[] = [
  ["cni", "the pod network"],
  ["proxy", "the rules for Services"],
  ["speaker", "the rules for their addresses"],
];

/** `ironbridge cleanup`: in the network namespace of this process, when the agent runs no more. */
export function cleanupCommand(): Command {
  return addFlags(new Command("cleanup"), CLEANUP_OPTIONS)
    .option("--with-pods", "remove the pod network also while pods use it: they are cut off")
    .option("--kube-proxy", "remove what kube-proxy left, in any mode, and nothing of Ironbridge")
    .action((flags: Switches & Record<string, unknown>) =>
      runProgram("cleanup", async () => {
        const options = readCleanupOptions(flags, process.env);
        console.log(flags.kubeProxy ? await cleanupKubeProxy() : await cleanup(options, flags));
      }),
    );
}

async function cleanupKubeProxy(): Promise<string> {
  await removeKubeProxy();
  return "kube-proxy's rules are removed";
}

/** @throws {IronbridgeError} when nothing was removed, as pods use the pod network or the agent runs. */
async function cleanup(options: CleanupOptions, { withPods }: Switches): Promise<string> {
  const removals: Readonly<Record<AgentPart, () => Promise<void>>> = {
    cni: () => removePodNetwork(filesOf(options), withPods ? "disconnect" : "keep", createLog("cleanup", "warn")),
    proxy: () => removeRules(),
    speaker: removeSpeakerRules,
  };
  const chosen = REMOVED.filter(([part]) => options.parts.includes(part));
  for (const [part] of chosen) {
    await removals[part]();
    forgetForwarding(options.stateDir);
  }
  return `removed from this node: ${chosen.map(([, what]) => what).join(", ")}`;
}

function filesOf({ stateDir, runDir, cniBinDir: binDir, cniConfDir: confDir }: CleanupOptions) {
  return { stateDir, binDir, confDir, socketPath: join(runDir, "cni.sock") };
}
