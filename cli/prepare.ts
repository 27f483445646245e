import { existsSync, rmSync, writeFileSync } from "node:fs";
import { Command } from "commander";
import { API_SERVER_OPTIONS, type ApiServerOptions, readApiServerOptions } from "../config/mod.ts";
import { createLog, explainError, type Log, runProgram } from "../core/mod.ts";
import { serverOf } from "../kube/mod.ts";
import { exec } from "../linux/mod.ts";
import { addFlags } from "./settings.ts";

/** Modules that kernels do not load by themselves when they are needed. */
const MODULES = ["br_netfilter", "ip_tables", "ip6_tables"];

/** `ironbridge prepare`: what is done on a node before its agent starts, each with no more rights than it needs. */
export function prepareCommand(): Command {
  const apiServer = addFlags(new Command("api-server"), API_SERVER_OPTIONS)
    .description("writes where the node's kubelet reaches the API server into a file")
    .action((flags: Record<string, unknown>) =>
      runProgram("prepare", async () =>
        writeApiServer(readApiServerOptions(flags, process.env), createLog("prepare", "info")),
      ),
    );
  const modules = new Command("modules")
    .description("loads the kernel modules that the agent needs")
    .action(() => runProgram("prepare", () => loadModules(createLog("prepare", "info"))));
  return new Command("prepare").addCommand(apiServer).addCommand(modules);
}

/** Only the URL leaves the kubelet's kubeconfig: the agent has credentials of its own. */
function writeApiServer({ kubeletKubeconfig, apiServerFile }: ApiServerOptions, log: Log): void {
  rmSync(apiServerFile, { force: true });
  for (const path of kubeletKubeconfig) {
    if (!existsSync(path)) continue;
    try {
      const server = serverOf(path);
      writeFileSync(apiServerFile, `${server}\n`);
      log.info({ event: "prepare.api_server", path, server }, "found where the kubelet reaches the API server");
      return;
    } catch (error) {
      // Another file may do, and so may the Service; the agent tells when it reaches nobody.
      log.warn({ event: "prepare.kubeconfig_unusable", path, error: explainError(error) }, "cannot use a kubeconfig");
    }
  }
  log.warn(
    { event: "prepare.no_api_server", paths: kubeletKubeconfig },
    "no kubeconfig of a kubelet, the agent will use the ConfigMap ironbridge-api or the Service kubernetes",
  );
}

/** A kernel may have a module built in, or not at all; whoever needs one that is missing says what for. */
async function loadModules(log: Log): Promise<void> {
  for (const module of MODULES) {
    if (existsSync(`/sys/module/${module}`)) continue;
    try {
      await exec("modprobe", [module]);
      log.info({ event: "prepare.module", module }, "loaded a kernel module");
    } catch (error) {
      log.warn({ event: "prepare.module_missing", module, error: explainError(error) }, "cannot load a kernel module");
    }
  }
}
