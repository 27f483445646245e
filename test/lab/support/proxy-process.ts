import { type ChildProcess, spawn } from "node:child_process";
import { waitFor } from "../../support/wait.ts";
import type { Crowd } from "./proxy-crowd.ts";
import { type Home, NODE_NETNS } from "./proxy-lab.ts";

/** Milliseconds: a process that starts on a busy machine, and iptables-nft with hundreds of Services. */
const PATIENCE = 60_000;

/** A proxy in a process of its own in the lab's node, so that it can be killed. */
export class ProxyProcess {
  readonly #process: ChildProcess;
  readonly #ended: Promise<void>;
  #settled = -1;

  constructor(home: Home, crowd: Crowd) {
    const script = new URL("./proxy-main.ts", import.meta.url).pathname;
    const args = [`--net=/run/netns/${NODE_NETNS}`, process.execPath, script, home];
    this.#process = spawn("nsenter", args, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    this.#process.on("message", (turn: number) => {
      this.#settled = turn;
    });
    this.#ended = new Promise((resolve) => this.#process.once("close", () => resolve()));
    this.become(crowd);
  }

  get pid(): number {
    return this.#process.pid ?? Number.NaN;
  }

  /** The cluster says something else. */
  become(crowd: Crowd): void {
    this.#process.send(crowd);
  }

  /** Waits until the kernel has what the cluster says. */
  async settled(turn: number): Promise<void> {
    await waitFor(`turn ${turn} to be in the kernel`, () => this.#settled === turn, { deadline: PATIENCE, every: 2 });
  }

  signal(name: NodeJS.Signals): void {
    this.#process.kill(name);
  }

  async kill(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#ended;
  }
}
