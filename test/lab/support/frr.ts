import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { exec } from "../../../linux/mod.ts";
import { waitFor } from "../../support/wait.ts";

/** Where a routing daemon of other people runs. */
export interface RouterHost {
  /** For its files. */
  readonly directory: string;
  /** Starts a daemon in the router's namespace; it ends with the lab. */
  daemon(program: string, ...args: readonly string[]): ChildProcess;
  inRouter(program: string, ...args: readonly string[]): Promise<string>;
}

/** FRR in the router's namespace. */
export interface Frr {
  /** What vtysh answers, as JSON. */
  show(command: string): Promise<Record<string, unknown>>;
  text(...commands: readonly string[]): Promise<string>;
  /** Kills bgpd as a crash would, and starts it anew. */
  restartBgpd(): Promise<void>;
}

/** Lines of frr.conf: a BFD profile `fast` that misses a peer within 150 ms. */
export const FAST_BFD = ["bfd", " profile fast", "  transmit-interval 50", "  receive-interval 50"] as const;

/**
 * Starts zebra, bgpd and bfdd.
 * @param config Lines of frr.conf.
 * @param bgpdFlags More flags of bgpd.
 */
export async function startFrr(
  host: RouterHost,
  config: readonly string[],
  bgpdFlags: readonly string[] = [],
): Promise<Frr> {
  const folder = join(host.directory, "frr");
  mkdirSync(folder, { recursive: true });
  const file = join(folder, "frr.conf");
  writeFileSync(file, `${["frr defaults traditional", "hostname router", ...config].join("\n")}\n`);
  // The daemons drop to a user of their own.
  chmodSync(host.directory, 0o755);
  await exec("chown", ["-R", "frr:frr", folder]);
  const begin = async (daemon: "zebra" | "bfdd" | "bgpd", more: readonly string[] = []) => {
    const common = ["-f", file, "-i", join(folder, `${daemon}.pid`), "--vty_socket", folder];
    const talk = ["-z", join(folder, "zserv.api"), "-A", "127.0.0.1", "-P", "0"];
    const child = host.daemon(`/usr/lib/frr/${daemon}`, ...common, ...talk, ...more);
    await waitFor(`${daemon}'s socket`, () => readdirSync(folder).includes(`${daemon}.vty`), { deadline: 10_000 });
    return child;
  };
  await begin("zebra");
  await begin("bfdd");
  let bgpd = await begin("bgpd", bgpdFlags);
  const restartBgpd = async () => {
    const ended = once(bgpd, "exit");
    bgpd.kill("SIGKILL");
    await ended;
    rmSync(join(folder, "bgpd.vty"));
    bgpd = await begin("bgpd", bgpdFlags);
  };
  const text = (...commands: readonly string[]) =>
    host.inRouter("vtysh", "--vty_socket", folder, ...commands.flatMap((command) => ["-c", command]));
  await waitFor("vtysh", async () => (await text("show version")) !== "", { deadline: 10_000 });
  return { text, restartBgpd, show: async (command) => JSON.parse(await text(`${command} json`)) };
}
