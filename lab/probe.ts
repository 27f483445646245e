import { explainError, type Log, startRunner } from "../core/mod.ts";
import { runInHost } from "./command.ts";
import type { Container } from "./container.ts";
import type { V1Container } from "./resource.ts";

export type Probe = NonNullable<V1Container["readinessProbe"]>;

export interface ProbeTarget {
  /** Probes come from the node, as a kubelet's do. */
  readonly nodeNetns: string;
  readonly podAddress: string;
  readonly spec: V1Container;
  readonly container: Container;
  readonly log: Log;
}

/** While a probe has not succeeded yet it runs this often, as kubelets also do to make a pod ready faster. Milliseconds. */
const EAGER_INTERVAL = 100;

/** The outcomes of a probe so far. */
export interface ProbeTally {
  readonly passing: boolean;
  /** How many times in a row the probe said the opposite. */
  readonly against: number;
}

/** Counts one outcome against the thresholds. Pure. */
export function tallyProbe(tally: ProbeTally, success: boolean, probe: Probe): ProbeTally {
  if (success === tally.passing) return { ...tally, against: 0 };
  const against = tally.against + 1;
  const threshold = success ? (probe.successThreshold ?? 1) : (probe.failureThreshold ?? 3);
  return against >= threshold ? { passing: success, against: 0 } : { ...tally, against };
}

/** Probes until `signal`, and says each time the verdict changes. The verdict begins as `initially`. */
export function startProbe(
  probe: Probe,
  target: ProbeTarget,
  initially: boolean,
  onVerdict: (passing: boolean) => void,
  signal: AbortSignal,
): void {
  const period = (probe.periodSeconds ?? 10) * 1000;
  const earliest = target.container.startedAt.getTime() + (probe.initialDelaySeconds ?? 0) * 1000;
  const firstSuccess = new AbortController();
  let tally: ProbeTally = { passing: initially, against: 0 };
  const look = async () => {
    if (Date.now() < earliest) return;
    const before = tally.passing;
    tally = tallyProbe(tally, await runProbe(probe, target), probe);
    if (tally.passing === before || signal.aborted) return;
    onVerdict(tally.passing);
    if (!firstSuccess.signal.aborted) {
      firstSuccess.abort();
      lookEvery(period, signal);
    }
  };
  const lookEvery = (interval: number, until: AbortSignal) => {
    const onError = (error: unknown) =>
      target.log.warn({ event: "lab.probe.failed", error: explainError(error) }, "probe could not be made");
    const intervals = { minInterval: interval, retryInterval: interval, maxInterval: interval };
    void startRunner(look, { ...intervals, onError }, until);
  };
  if (initially) {
    firstSuccess.abort();
    lookEvery(period, signal);
  } else {
    lookEvery(Math.min(period, EAGER_INTERVAL), AbortSignal.any([signal, firstSuccess.signal]));
  }
}

async function runProbe(probe: Probe, target: ProbeTarget): Promise<boolean> {
  const seconds = probe.timeoutSeconds ?? 1;
  const timeout = seconds * 1000 + 500;
  if (probe.exec) {
    return (await target.container.exec(probe.exec.command ?? [], seconds * 1000)) === 0;
  }
  if (probe.httpGet) {
    const { scheme = "HTTP", host = target.podAddress, path = "/", port, httpHeaders = [] } = probe.httpGet;
    const url = `${scheme.toLowerCase()}://${bracket(host)}:${portNumber(port, target.spec)}${path}`;
    const headers = httpHeaders.flatMap(({ name, value }) => ["--header", `${name}: ${value}`]);
    const args = ["--silent", "--insecure", "--output", "/dev/null", "--write-out", "%{http_code}"];
    args.push("--max-time", String(seconds), "--user-agent", "kube-probe/1.34", ...headers, url);
    const { stdout } = await runInHost(target.nodeNetns, "curl", args, { timeout });
    return Number(stdout) >= 200 && Number(stdout) < 400;
  }
  if (probe.tcpSocket) {
    const { host = target.podAddress, port } = probe.tcpSocket;
    const open = `exec 3<>/dev/tcp/${host}/${portNumber(port, target.spec)}`;
    return (await runInHost(target.nodeNetns, "bash", ["-c", open], { timeout: seconds * 1000 })).exitCode === 0;
  }
  return false; // gRPC probes: no sample of the lab has one
}

function portNumber(port: string | number, spec: V1Container): number {
  if (typeof port === "number") return port;
  return spec.ports?.find(({ name }) => name === port)?.containerPort ?? Number(port);
}

function bracket(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}
