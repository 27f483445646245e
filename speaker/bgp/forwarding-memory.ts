import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Changes with every boot, which takes all rules of the kernel with it. */
const BOOT_ID = "/proc/sys/kernel/random/boot_id";
const FILE = "bgp-boot-id";

/** Remembers over restarts of the agent whether the kernel forwards by what an earlier run put into it. RFC 4724, F bit. */
export class ForwardingMemory {
  /** The kernel has had all rules since an earlier run. */
  readonly preserved: boolean;
  readonly #file: string;
  readonly #bootId: string;
  #noted: boolean;

  constructor(directory: string, bootId = readFileSync(BOOT_ID, "utf8").trim()) {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    this.#file = join(directory, FILE);
    this.#bootId = bootId;
    this.preserved = existsSync(this.#file) && readFileSync(this.#file, "utf8") === bootId;
    this.#noted = this.preserved;
  }

  /** The kernel has all rules now. */
  note(): void {
    if (this.#noted) return;
    writeFileSync(this.#file, this.#bootId);
    this.#noted = true;
  }
}

/** For when the rules are removed on purpose. */
export function forgetForwarding(directory: string): void {
  rmSync(join(directory, FILE), { force: true });
}
