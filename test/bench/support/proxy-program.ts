import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { kubeProxyCommand } from "../../lab/support/kube-proxy.ts";
import { CLUSTER_CIDRS, NODE_NETNS, type ProxyLab } from "../../lab/support/proxy-lab.ts";
import { waitFor } from "../../support/wait.ts";

/** Both are started as their users start them, and read the cluster from the same API server. */
export const PROGRAMS = ["ironbridge", "kube-proxy"] as const;
export type ProgramName = (typeof PROGRAMS)[number];
export const MODES = ["nftables", "iptables"] as const;
export type Mode = (typeof MODES)[number];

export interface ProgramOptions {
  readonly name: ProgramName;
  readonly mode: Mode;
  /** URL as the node reaches it. */
  readonly apiServer: string;
  readonly kubeconfig: string;
  readonly directory: string;
  /** How Ironbridge is started. */
  readonly program: readonly string[];
}

/** Where both serve their metrics, on the node's localhost. */
const METRICS = "http://127.0.0.1:10249/metrics";
/** Milliseconds for the largest load; iptables takes its time. */
const PATIENCE = 300_000;

/** A Service proxy that runs on the lab's node. */
export class ProxyProgram {
  /** Milliseconds since 1970. */
  readonly startedAt = Date.now();
  readonly #process: ChildProcess;
  readonly #lab: ProxyLab;

  constructor(lab: ProxyLab, options: ProgramOptions) {
    this.#lab = lab;
    const command = [`--net=/run/netns/${NODE_NETNS}`, ...commandOf(options)];
    this.#process = spawn("nsenter", command, { stdio: "ignore" });
  }

  /**
   * Waits until it has written everything at least once. The result: when it had, in milliseconds since 1970.
   * @throws {Error} when it ends before.
   */
  async synced(): Promise<number> {
    const look = async () => {
      if (this.#hasEnded) return Number.NaN;
      const times = await this.#read("kubeproxy_sync_proxy_rules_last_timestamp_seconds");
      return times.length > 0 && Math.min(...times) > 0 && 1000 * Math.max(...times);
    };
    const time = await waitFor("the first sync", look, { deadline: PATIENCE, every: 100 });
    if (Number.isNaN(time)) throw new Error(`the program ended with code ${this.#process.exitCode}`);
    return time;
  }

  /** Milliseconds that its syncs took so far, both families together. */
  async syncing(): Promise<number> {
    const sums = await this.#read("kubeproxy_sync_proxy_rules_duration_seconds_sum");
    return 1000 * sums.reduce((sum, value) => sum + value, 0);
  }

  /** Megabytes now, without programs it runs meanwhile. */
  get rssMb(): number {
    const status = readFileSync(`/proc/${this.#process.pid}/status`, "utf8");
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
  }

  /** @throws {Error} when it has not ended 30 s later. */
  async stop(): Promise<void> {
    if (this.#hasEnded) return;
    const ended = once(this.#process, "exit", { signal: AbortSignal.timeout(30_000) });
    this.#process.kill("SIGTERM");
    await ended;
  }

  get #hasEnded(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null;
  }

  /** The values of one metric, whatever its labels. */
  async #read(name: string): Promise<number[]> {
    const text = await this.#lab.run("curl", "-sf", METRICS);
    const lines = text.split("\n").filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
    return lines.map((line) => Number(line.slice(line.lastIndexOf(" ") + 1)));
  }
}

function commandOf({ name, mode, apiServer, kubeconfig, directory, program }: ProgramOptions): string[] {
  if (name === "kube-proxy") return kubeProxyCommand(mode, apiServer);
  const flags = {
    node: "node1",
    kubeconfig,
    parts: "proxy",
    "proxy-mode": mode,
    "cluster-cidr": CLUSTER_CIDRS.join(),
    "state-dir": directory,
    "run-dir": directory,
    "log-level": "warn",
  };
  return [...program, "agent", ...Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, value])];
}
