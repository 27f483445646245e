import { Command } from "commander";
import { runProgram } from "../core/mod.ts";
import { removeKubeProxy, removeRules } from "../proxy/mod.ts";
import { removeSpeakerRules } from "../speaker/mod.ts";

/** `ironbridge cleanup`: in the network namespace of this process, when the daemon that wrote the rules runs no more. */
export function cleanupCommand(): Command {
  return new Command("cleanup")
    .option("--kube-proxy", "remove what kube-proxy left, in any mode, and leave the rules of Ironbridge")
    .action(({ kubeProxy }: { kubeProxy?: true }) =>
      runProgram("cleanup", async () => {
        await (kubeProxy ? removeKubeProxy() : Promise.all([removeRules(), removeSpeakerRules()]));
        console.log(
          kubeProxy
            ? "kube-proxy's rules are removed"
            : "the rules of Ironbridge for Services and their addresses are removed",
        );
      }),
    );
}
