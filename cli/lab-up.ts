import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { explainError, IronbridgeError } from "../core/mod.ts";
import { ENDPOINT_SLICES, type KubeClient, objectKey, SERVICES } from "../kube/mod.ts";
import {
  askForProxyMode,
  findServePid,
  labDirectory,
  planTopology,
  readLabSettings,
  removeLab,
  runInHost,
  runKubectl,
  SAMPLES,
  serveArguments,
} from "../lab/mod.ts";
import { type LabChoice, needRoot } from "./lab-choice.ts";
import type { LabMessage } from "./lab-serve.ts";
import { addressTable, externalAddresses, labClient } from "./lab-status.ts";

const EXECUTABLE = fileURLToPath(new URL("../bin/ironbridge", import.meta.url));
/** Milliseconds until the sample addresses must answer. */
const ANSWER_TIMEOUT = 30_000;
const MODE_TIMEOUT = 20_000;
/** Requests after which two answers of a Service with two endpoints differ for all practical purposes: 2^-19. */
const ENOUGH_TRIES = 20;

/** `ironbridge lab up`: brings the lab up, or takes the one that runs, and shows that traffic flows. */
export async function labUp(choice: LabChoice): Promise<void> {
  needRoot("lab up");
  const say = stepPrinter();
  const running = await findServePid(choice.directory);
  if (running === undefined) await startServing(choice, say);
  else say(`a lab is running already (process ${running})`);
  const client = labClient(choice);
  await switchProxyMode(client, choice, say);

  say("samples: kubectl apply -f deploy/samples");
  await runKubectl(choice.directory.kubeconfig, ["apply", "-f", SAMPLES]);
  say("waiting until the external addresses answer");
  const addresses = await untilAnswering(client, choice);
  say("all answer");
  await showTraffic(choice, addresses);
  console.log(`\n${await addressTable(client, choice)}\n`);
  console.log(howToLookAround(choice));
}

/** Prints what is done next and at what time. */
function stepPrinter(): (text: string) => void {
  const began = performance.now();
  return (text) => console.log(`${((performance.now() - began) / 1000).toFixed(1).padStart(5)} s  ${text}`);
}

/** Starts the process that holds the lab, and shows its steps until it is ready. What is left of an earlier one goes. */
async function startServing(choice: LabChoice, say: (text: string) => void): Promise<void> {
  const { directory, tag, nodes, proxyMode } = choice;
  await removeLab(directory, tag);
  mkdirSync(dirname(directory.log), { recursive: true });
  const output = openSync(directory.log, "a");
  const flags = ["--nodes", String(nodes), "--proxy-mode", proxyMode, ...(tag === undefined ? [] : ["--tag", tag])];
  const child = spawn(EXECUTABLE, [...serveArguments(directory), ...flags], {
    detached: true,
    stdio: ["ignore", output, output, "ipc"],
  });
  closeSync(output);
  await new Promise<void>((resolve, reject) => {
    const fail = (why: string) => reject(new IronbridgeError("IB_LAB_FAILED", `${why}; see ${directory.log}`));
    child.on("message", (message: LabMessage) => {
      if (message.kind === "step") say(message.text);
      else if (message.kind === "ready") resolve();
      else fail(message.text);
    });
    child.once("exit", (code, signal) => fail(`the lab's process ended (${signal ?? `exit code ${code}`})`));
    child.once("error", (error) => fail(error.message));
  });
  say("all nodes are ready");
  child.disconnect();
  child.unref();
}

async function switchProxyMode(client: KubeClient, choice: LabChoice, say: (text: string) => void): Promise<void> {
  const settings = await readLabSettings(client);
  if (settings?.runningProxyMode === choice.proxyMode) return;
  say(`starting the agents again in proxy mode ${choice.proxyMode}`);
  await askForProxyMode(client, choice.proxyMode);
  await until(
    async () => ((await readLabSettings(client))?.runningProxyMode === choice.proxyMode ? "" : "still the old mode"),
    MODE_TIMEOUT,
    (why) => `the agents could not be started in proxy mode ${choice.proxyMode}: ${why}; see ${choice.directory.log}`,
  );
}

/** The external addresses of all Services of type LoadBalancer, once each answers the client outside. */
async function untilAnswering(client: KubeClient, choice: LabChoice): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  const look = async () => {
    const { items } = await client.list(SERVICES);
    for (const service of items.filter(({ spec }) => spec?.type === "LoadBalancer")) {
      const [address] = externalAddresses(service);
      if (address === undefined) return `Service ${objectKey(service)} has no address`;
      const url = `http://${address}:${service.spec?.ports?.[0]?.port ?? 80}/`;
      const { exitCode, stderr } = await curl(choice, ["--fail", url]);
      if (exitCode !== 0) return `Service ${objectKey(service)} at ${url}: ${stderr.trim()}`;
      found.set(objectKey(service), address);
    }
    for (const slice of (await client.list(ENDPOINT_SLICES)).items) {
      const late = slice.endpoints?.find(({ conditions }) => conditions?.ready === false);
      if (late !== undefined) return `endpoint ${late.addresses[0]} of ${objectKey(slice)} is not ready`;
    }
    return "";
  };
  const logs = dirname(choice.directory.log);
  await until(look, ANSWER_TIMEOUT, (why) => `${why}; see the logs of the controller and the agents in ${logs}`);
  return found;
}

/** Shows the commands and their answers: the ingress until two backends have answered, by name, and the other Service. */
async function showTraffic(choice: LabChoice, addresses: ReadonlyMap<string, string>): Promise<void> {
  const ingress = addresses.get("ingress-nginx/ingress-nginx-controller");
  const web = addresses.get("default/web");
  if (ingress !== undefined) {
    await showDifferentAnswers(choice, [`http://${ingress}/`]);
    await showDifferentAnswers(choice, ["-H", "Host: blog.example.com", `http://${ingress}/`]);
  }
  if (web !== undefined) await showDifferentAnswers(choice, [`http://${web}/`]);
}

async function showDifferentAnswers(choice: LabChoice, args: readonly string[]): Promise<void> {
  const { client } = planTopology(choice.tag, choice.nodes);
  const words = args.map((arg) => (arg.includes(" ") ? `'${arg}'` : arg)).join(" ");
  console.log(`\n$ ip netns exec ${client.netns} curl ${words}`);
  const seen = new Set<string>();
  for (let i = 0; i < ENOUGH_TRIES && seen.size < 2; i++) {
    const { stdout, stderr, exitCode } = await curl(choice, args);
    if (exitCode !== 0) throw new IronbridgeError("IB_LAB_FAILED", `curl ${words}: ${stderr.trim()}`);
    if (!seen.has(stdout)) console.log(stdout);
    seen.add(stdout);
  }
}

function curl({ tag, nodes }: LabChoice, args: readonly string[]) {
  const { client } = planTopology(tag, nodes);
  return runInHost(client.netns, "curl", [
    "--silent",
    "--show-error",
    "--connect-timeout",
    "0.3",
    "--max-time",
    "2",
    ...args,
  ]);
}

/** Looks until `look` has nothing to complain about. */
async function until(look: () => Promise<string>, timeout: number, failure: (why: string) => string): Promise<void> {
  const end = Date.now() + timeout;
  for (;;) {
    const why = await look().catch(explainError);
    if (why === "") return;
    if (Date.now() > end) throw new IronbridgeError("IB_LAB_FAILED", failure(why));
    await pause(50);
  }
}

function howToLookAround({ directory, tag, nodes, proxyMode }: LabChoice): string {
  const { client, nodes: hosts } = planTopology(tag, nodes);
  const rules = proxyMode === "nftables" ? "nft list table ip ironbridge-proxy" : "iptables-save -t nat";
  const isDefault = tag === undefined && directory.path === labDirectory(`${process.cwd()}/.lab`).path;
  return [
    "Look around:",
    `  export KUBECONFIG=${directory.kubeconfig}`,
    "  kubectl get svc,pods,nodes,ipaddresspools -A -o wide",
    "  kubectl describe svc web",
    `  ip netns exec ${client.netns} curl http://192.168.1.100/`,
    `  ip netns exec ${client.netns} ip neighbour`,
    `  ip netns exec ${hosts[0]?.netns} ${rules}`,
    `  ls ${dirname(directory.log)}`,
    isDefault
      ? "Remove it: make lab-down"
      : `Remove it: ironbridge lab down --dir ${directory.path} --tag ${tag ?? ""}`,
  ].join("\n");
}
