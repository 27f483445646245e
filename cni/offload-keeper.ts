import { randomBytes } from "node:crypto";
import { explainError, Gauge, type Log, type Metrics, startRunner } from "../core/mod.ts";
import { disableTxChecksum, readTxChecksum } from "../linux/mod.ts";
import { printAddress, TUNNEL_NAME } from "../net/mod.ts";
import { OffloadProbe, type Spoiled, type TunnelEnd } from "./offload-probe.ts";
import { type OffloadStation, openOffloadStation, printPlace, type StationPlace } from "./offload-station.ts";
import type { TunnelNode } from "./tunnel.ts";

/** The tunnel as it is now: the device, this node's ends, and the other nodes. */
export interface TunnelFacts extends StationPlace {
  readonly nodes: readonly TunnelNode[];
}

/** Leaves the checksums of tunnelled packets to the network card, unless packets prove to get lost by that. */
export interface OffloadKeeper {
  /** Tells how the tunnel is; undefined when there is none. */
  follow(tunnel: TunnelFacts | undefined): void;
  /** Whether they are left to it, in words. */
  state(): string;
  readonly done: Promise<void>;
}

/** Milliseconds. The probe says when there is something to do; the slow run finds what others switched. */
const PACE = { minInterval: 1000, retryInterval: 30_000, maxInterval: 300_000 };
const FOUND_OFF = "off: so it was found";

/**
 * Asks and answers until `signal` aborts. What is off stays off for the life of the device, over restarts of the agent too:
 * on again, it would cost pods their packets until the next proof.
 */
export function startOffloadKeeper(log: Log, metrics: Metrics, signal: AbortSignal): OffloadKeeper {
  const probe = new OffloadProbe(() => randomBytes(16).toString("hex"));
  let tunnel: TunnelFacts | undefined;
  let station: OffloadStation | undefined;
  let offloaded: boolean | undefined;
  let off = FOUND_OFF;
  let problem = "";
  let timer: NodeJS.Timeout | undefined;

  const leave = () => {
    clearTimeout(timer);
    station?.close();
    station = undefined;
    offloaded = undefined;
    probe.forget();
  };
  const enter = (place: StationPlace) =>
    openOffloadStation(place, probe, (from) => {
      probe.heard(from, performance.now());
      plan();
    });
  /** Runs again when the probe has something to do. */
  const plan = () => {
    clearTimeout(timer);
    const due = probe.nextDue();
    if (offloaded && due < Infinity) timer = setTimeout(runner.poke, Math.max(0, due - performance.now()));
  };
  const switchOff = ({ end, remote, rounds }: Spoiled) => {
    disableTxChecksum(TUNNEL_NAME);
    offloaded = false;
    off = `off: nothing arrives at ${printAddress(remote)} whose checksum is left to the network card`;
    const facts = { interface: TUNNEL_NAME, end: printAddress(end), remote: printAddress(remote), rounds };
    const text =
      "packets get lost when the network card makes their checksums: the kernel makes those of the tunnel now";
    log.warn({ event: "cni.checksum_offload_off", ...facts }, text);
  };

  const work = async () => {
    if (tunnel === undefined || station?.place !== printPlace(tunnel)) leave();
    if (tunnel === undefined) {
      problem = "";
      return;
    }
    station ??= enter(tunnel);
    if (offloaded !== false) off = FOUND_OFF;
    offloaded = readTxChecksum(TUNNEL_NAME);
    if (!offloaded) probe.forget(); // what it knew is to be found out again if somebody switches it on
    probe.setEnds(endsOf(tunnel));
    problem = "";
    if (!offloaded) return;
    station.ask(probe.next(performance.now()));
    const spoiled = probe.spoiled();
    if (spoiled !== undefined) switchOff(spoiled);
    plan();
  };
  const onError = (error: unknown) => {
    const reason = explainError(error);
    if (reason !== problem) {
      log.warn({ event: "cni.checksum_offload_unknown", reason }, "can't see whether packets in the tunnel arrive");
    }
    problem = reason;
  };
  const runner = startRunner(work, { ...PACE, onError }, signal);

  registerGauge(metrics, () => offloaded);
  const state = () => {
    if (problem !== "") return `unknown: ${problem}`;
    if (offloaded === undefined) return "no tunnel";
    const { verified, all } = probe.counts();
    return offloaded ? `on: seen to work on ${verified} of ${all} ways` : off;
  };
  return {
    follow: (facts) => {
      tunnel = facts;
      runner.poke();
    },
    state,
    done: runner.done.then(leave),
  };
}

/** @param read Undefined when there is no tunnel. */
function registerGauge(metrics: Metrics, read: () => boolean | undefined): void {
  new Gauge({
    name: "ironbridge_cni_tunnel_checksum_offload",
    help: "1 while the checksums of packets in the tunnel are left to the network card, 0 when the kernel makes them",
    labelNames: ["interface"],
    registers: [metrics],
    collect() {
      const offloaded = read();
      this.reset();
      if (offloaded !== undefined) this.set({ interface: TUNNEL_NAME }, Number(offloaded));
    },
  });
}

/** The other ends that this node has an end of the same family for. */
function endsOf({ ends, nodes }: TunnelFacts): TunnelEnd[] {
  const families = new Set(ends.map(({ family }) => family));
  return nodes.flatMap(({ remote, ends: others }) =>
    others.filter(({ family }) => families.has(family)).map((end) => ({ end, remote })),
  );
}
