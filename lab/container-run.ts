import type { Log } from "../core/mod.ts";
import { type Container, type ContainerExit, startContainer } from "./container.ts";
import type { ContainerPlan } from "./container-script.ts";
import type { ContainerView } from "./pod-status.ts";
import { type ProbeTarget, startProbe } from "./probe.ts";
import type { V1Container } from "./resource.ts";

/** As kubelets wait: the first restart at once, then 10 s, 20 s, ... up to 5 minutes. Milliseconds. */
const FIRST_PAUSE = 10_000;
const LONGEST_PAUSE = 300_000;

/** How long to wait before the next start of a container that has ended `restarts + 1` times. Pure. */
export function restartPause(restarts: number): number {
  return restarts === 0 ? 0 : Math.min(FIRST_PAUSE * 2 ** (restarts - 1), LONGEST_PAUSE);
}

export interface ContainerRunOptions {
  readonly spec: V1Container;
  readonly nodeNetns: string;
  readonly log: Log;
  /** Called when the container ended, got ready or unready, or may start again. */
  readonly onChange: () => void;
}

/** One container of a pod through all its starts. */
export class ContainerRun {
  readonly spec: V1Container;
  readonly #options: ContainerRunOptions;
  #current: Container | undefined;
  #previous: { readonly startedAt: Date; readonly exit: ContainerExit } | undefined;
  #waiting: { readonly reason: string; readonly message?: string } = { reason: "ContainerCreating" };
  #starts = 0;
  #ready = false;
  #stopProbes = new AbortController();

  constructor(options: ContainerRunOptions) {
    this.spec = options.spec;
    this.#options = options;
  }

  get running(): boolean {
    return this.#current !== undefined && this.#current.exit() === undefined;
  }

  /** The exit code once it has ended; undefined while it runs and before it ran. */
  get exitCode(): number | undefined {
    return this.#current?.exit()?.exitCode;
  }

  /** True when the pause after the last end is over; else `onChange` is called when it will be. */
  mayStart(): boolean {
    const exit = this.#current?.exit();
    if (exit === undefined) return this.#current === undefined;
    const rest = exit.finishedAt.getTime() + restartPause(this.#starts - 1) - Date.now();
    if (rest <= 0) return true;
    if (this.#waiting.reason !== "CrashLoopBackOff") {
      this.#waiting = {
        reason: "CrashLoopBackOff",
        message: `back-off ${Math.round(restartPause(this.#starts - 1) / 1000)}s restarting failed container=${this.spec.name}`,
      };
      setTimeout(this.#options.onChange, rest).unref();
    }
    return false;
  }

  /** Says why it does not run. */
  wait(reason: string, message?: string): void {
    this.#waiting = message === undefined ? { reason } : { reason, message };
  }

  start(plan: ContainerPlan, podAddress: string): void {
    const ended = this.#current?.exit();
    if (this.#current !== undefined && ended !== undefined) {
      this.#previous = { startedAt: this.#current.startedAt, exit: ended };
    }
    const container = startContainer(plan);
    this.#current = container;
    this.#starts++;
    this.#waiting = { reason: "Running" };
    this.#ready = this.spec.readinessProbe === undefined;
    this.#stopProbes = new AbortController();
    const { nodeNetns, log, onChange } = this.#options;
    void container.exited.then(() => {
      this.#stopProbes.abort();
      this.#ready = false;
      onChange();
    });
    this.#startProbes({ nodeNetns, podAddress, spec: this.spec, container, log }, this.#stopProbes.signal);
  }

  /** Runs the preStop hook, asks it to end, and kills it `graceMs` after the call. */
  async stop(graceMs: number): Promise<void> {
    const began = Date.now();
    await this.#runPreStop(graceMs);
    await this.#current?.stop(Math.max(0, graceMs - (Date.now() - began)));
  }

  view(): ContainerView {
    const exit = this.#current?.exit();
    const startedAt = this.#current?.startedAt;
    const backingOff = this.#waiting.reason === "CrashLoopBackOff";
    const ended = exit !== undefined && startedAt !== undefined ? { startedAt, exit } : undefined;
    const previous = backingOff ? ended : this.#previous;
    const state: ContainerView["state"] =
      startedAt === undefined || backingOff
        ? { kind: "waiting", ...this.#waiting }
        : ended === undefined
          ? { kind: "running", startedAt }
          : { kind: "exited", ...ended };
    return {
      name: this.spec.name,
      image: this.spec.image ?? "",
      state,
      ...(previous !== undefined ? { previous } : {}),
      restarts: Math.max(0, this.#starts - 1),
      ready: this.#ready,
    };
  }

  #startProbes(target: ProbeTarget, signal: AbortSignal): void {
    const { readinessProbe, livenessProbe } = this.spec;
    if (readinessProbe) {
      const onVerdict = (passing: boolean) => {
        this.#ready = passing;
        this.#options.onChange();
      };
      startProbe(readinessProbe, target, false, onVerdict, signal);
    }
    if (livenessProbe) {
      const onVerdict = (passing: boolean) => {
        if (!passing) void target.container.stop(0); // the pod's restart policy decides what follows
      };
      startProbe(livenessProbe, target, true, onVerdict, signal);
    }
  }

  async #runPreStop(graceMs: number): Promise<void> {
    const { exec, sleep } = this.spec.lifecycle?.preStop ?? {};
    if (this.#current === undefined || !this.running) return;
    if (sleep) await Promise.race([pause(Math.min(sleep.seconds * 1000, graceMs)), this.#current.exited]);
    if (exec) await this.#current.exec(exec.command ?? [], graceMs);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
