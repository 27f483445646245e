import { readFileSync } from "node:fs";
import type { ProxyLab } from "../../lab/support/proxy-lab.ts";
import { waitFor } from "../../support/wait.ts";

/** What an established connection through a Service costs. */
export interface StreamCost {
  readonly gigabitsPerSecond: number;
  /** Seconds of the kernel's time on all cores for 10^9 octets, both ends included. */
  readonly kernelSecondsPerGb: number;
}

export const STREAM_PORT = 5201;
const SECONDS = 3;
/** Parts of a second that /proc/stat counts in (USER_HZ). */
const TICKS = 100;

/** Sends from pod1 to `host`, behind which is pod2, as fast as it goes. */
export async function measureStream(lab: ProxyLab, host: string): Promise<StreamCost> {
  const server = lab.on("pod2", "iperf3", "--server", "--one-off", "--port", String(STREAM_PORT));
  // It serves one client, also one that gave up too early.
  const listening = async () => (await lab.on("pod2", "ss", "-Hltn", `sport = :${STREAM_PORT}`)) !== "";
  await waitFor("iperf3's server", listening, { deadline: 10_000, every: 100 });
  const before = kernelTicks();
  const report = JSON.parse(
    await lab.on(
      "pod1",
      "iperf3",
      "--json",
      "--client",
      host,
      "--port",
      String(STREAM_PORT),
      "--time",
      String(SECONDS),
    ),
  );
  const ticks = kernelTicks() - before;
  await server;
  const { bytes, bits_per_second: rate } = report.end.sum_received;
  return { gigabitsPerSecond: rate / 1e9, kernelSecondsPerGb: ticks / TICKS / (bytes / 1e9) };
}

/** proc(5): user, nice, system, idle, iowait, irq, softirq. */
function kernelTicks(): number {
  const [, , system = 0, , , irq = 0, softirq = 0] = readFileSync("/proc/stat", "utf8")
    .split("\n", 1)[0]!
    .trim()
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return system + irq + softirq;
}
