import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { runCommand } from "../../../lab/command.ts";
import { netnsPath } from "../../../lab/topology.ts";
import { CHECKOUT, type ClusterPlan } from "../plan.ts";
import { parseReport } from "./report.ts";
import { skipPattern } from "./selection.ts";
import type { Results } from "./table.ts";

/** Most specs wait most of their time; more at once than this makes two cores late for the specs' own deadlines. */
const AT_ONCE = 6;
/** Milliseconds. */
const LONGEST = 40 * 60_000;

/**
 * Runs Kubernetes' own network specs against a cluster, from the host outside of it, and leaves what they said in
 * `directory`. `focus` picks them by name. Specs that fail are run once more: what fails for want of time passes then.
 */
export async function runNetworkSpecs(plan: ClusterPlan, directory: string, focus: RegExp): Promise<Results> {
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true });
  const ginkgo = [
    `--procs=${AT_ONCE}`,
    "--no-color",
    "--silence-skips",
    "--flake-attempts=2",
    `--timeout=${LONGEST / 60_000}m`,
    `--focus=${focus.source}`,
    `--skip=${skipPattern()}`,
    "--json-report=report.json",
    `--output-dir=${directory}`,
    join(CHECKOUT.bin, "e2e.test"),
  ];
  const specs = [
    "--provider=skeleton",
    `--kubeconfig=${plan.lanKubeconfig}`,
    `--kubectl-path=${CHECKOUT.kubectl}`,
    "--num-nodes=2",
    "--disable-log-dump",
    "--dump-logs-on-failure=false",
  ];
  const command = [join(CHECKOUT.bin, "ginkgo"), ...ginkgo, "--", ...specs];
  const log = join(directory, "output.log");
  // The exit code only says that not all passed.
  const script = 'log=$1; shift; exec "$@" >"$log" 2>&1';
  const inside = ["sh", "-c", script, "sh", log, "nice", "-n", "19", ...command];
  await runCommand("nsenter", [`--net=${netnsPath(plan.client.netns)}`, ...inside], { timeout: LONGEST + 60_000 });
  return parseReport(await readFile(join(directory, "report.json"), "utf8"));
}
