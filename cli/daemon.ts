import { createLog, createMetrics, type Log, type LogLevel, type Metrics, startAdminServer } from "../core/mod.ts";
import { createKubeClient, createReporter, type KubeClient, type Reporter } from "../kube/mod.ts";
import type { Part } from "./part.ts";

export interface DaemonOptions {
  readonly kubeconfig: string | undefined;
  readonly logLevel: LogLevel;
  readonly adminAddress: { readonly host: string; readonly port: number };
}

/** What every long-running program has. */
export interface Daemon {
  readonly client: KubeClient;
  readonly reporter: Reporter;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** @param server URL of the API server for the pod's service account; undefined: the Service `kubernetes`. */
export function createDaemon(name: string, { kubeconfig, logLevel }: DaemonOptions, server?: string): Daemon {
  const program = `ironbridge-${name}`;
  const log = createLog(name, logLevel);
  const source = { ...(kubeconfig === undefined ? {} : { kubeconfig }), ...(server === undefined ? {} : { server }) };
  const client = createKubeClient({ userAgent: program, ...source });
  return { client, reporter: createReporter(client, program, log), log, metrics: createMetrics() };
}

/**
 * Serves what the parts say of themselves until `signal` aborts and every part is done. A part that fails ends the
 * program: it is started again by whoever runs it, and what it wrote to the kernel works on meanwhile.
 */
export async function serveParts(
  daemon: Daemon,
  parts: Readonly<Record<string, Part>>,
  listen: DaemonOptions["adminAddress"],
  signal: AbortSignal,
): Promise<void> {
  const ready = () => {
    const reasons = Object.entries(parts).flatMap(([name, part]) => (part.ready() ? [] : [whyNotReady(name, part)]));
    return { ready: reasons.length === 0, reasons };
  };
  const state = () => Object.fromEntries(Object.entries(parts).map(([name, part]) => [name, part.state()]));
  const { log, metrics, reporter } = daemon;
  const admin = await startAdminServer({ listen, metrics, ready, state, log }, signal);
  log.info({ event: "program.started", parts: Object.keys(parts), admin: listen }, "started");
  await Promise.all(Object.values(parts).map(({ done }) => done));
  await Promise.all([admin.done, reporter.flush()]);
  log.info({ event: "program.ended" }, "ended in order");
}

function whyNotReady(name: string, part: Part): string {
  const problem = part.problem?.();
  return problem === undefined ? `${name} is not ready` : `${name} is not ready: ${problem}`;
}
