import { existsSync, readFileSync } from "node:fs";
import { IronbridgeError } from "../core/mod.ts";
import type { Family } from "../net/mod.ts";
import { exec, runProgram } from "./exec.ts";
import { legacyStamp } from "./iptables-stamp.ts";
import { chooseVariant, type IptablesVariant } from "./iptables-variant.ts";
import { type Netns, runInOptionalNetns } from "./netns.ts";
import { describeLine } from "./script-line.ts";

/** iptables-restore and iptables-save of one family and one variant, in the namespace this process runs in. */
export interface Iptables {
  readonly family: Family;
  readonly variant: IptablesVariant;
  /** MASQUERADE --random-fully is understood (iptables >= 1.6.2). */
  readonly randomFully: boolean;
  /** Whether rules can match ports of SCTP (xt_sctp): the kernel refuses all of a script with one that it can't match. */
  knowsSctp(): Promise<boolean>;
  /**
   * Applies `script` with --noflush and lock waiting: tables in it are each all or nothing, chains not named stay.
   * @throws {IronbridgeError} IB_KERNEL_REFUSED with the program's words and the line it points at.
   */
  restore(script: string): Promise<void>;
  /**
   * What iptables-save prints for `table`; "", or the empty built-in chains, when the kernel has no such table yet.
   * Reading never creates a table.
   */
  save(table: IptablesTable): Promise<string>;
  /** The same with `[PACKETS:OCTETS] ` in front of each rule. */
  saveCounted(table: IptablesTable): Promise<string>;
  /** The rules of one chain as `iptables -S CHAIN` prints them; undefined when there is no such chain. Cheaper than save(). */
  list(table: IptablesTable, chain: string): Promise<string | undefined>;
  /**
   * A text that another number or size of rules in `table` changes, at the price of one system call; undefined when there
   * is no such table, and always of the nft variant, whose changes watchNft() tells.
   */
  stamp(table: IptablesTable): string | undefined;
}

export type IptablesTable = "nat" | "filter" | "mangle";

/** Milliseconds: iptables-nft takes tens of seconds for the rules of thousands of Services. */
const TIMEOUT = 120_000;
/** Seconds. */
const LOCK_WAIT = 5;

/**
 * `auto` takes the variant that already holds rules of others, as kube-proxy's wrapper does, else nft.
 * @throws {IronbridgeError} IB_BINARY_MISSING
 */
export async function openIptables(
  family: Family,
  variant: IptablesVariant | "auto",
  netns?: Netns,
): Promise<Iptables> {
  const options = { timeout: TIMEOUT, ...(netns && { netns }) };
  const dump = async (candidate: IptablesVariant) => {
    const { stdout } = await runProgram(`${programName(family, candidate)}-save`, [], options);
    return stdout; // a variant this kernel lacks prints nothing: it holds no rules
  };
  const chosen = variant === "auto" ? chooseVariant({ nft: await dump("nft"), legacy: await dump("legacy") }) : variant;
  const program = programName(family, chosen);
  const randomFully = understandsRandomFully(await exec(program, ["--version"], options));
  const save = async (table: IptablesTable, ...flags: readonly string[]) => {
    if (chosen === "legacy" && !holdsLegacyTable(family, table, netns)) return "";
    return exec(`${program}-save`, ["-t", table, ...flags], options);
  };
  return {
    family,
    variant: chosen,
    randomFully,
    knowsSctp: async () => {
      const { stderr } = await runProgram(`${program}-restore`, ["--noflush", "--test", `--wait=${LOCK_WAIT}`], {
        ...options,
        input: SCTP_PROBE,
      });
      return !MISSING_MATCH.test(stderr);
    },
    restore: async (script) => {
      const restore = `${program}-restore`;
      const args = ["--noflush", `--wait=${LOCK_WAIT}`];
      const result = await runProgram(restore, args, { ...options, input: script });
      if (result.exitCode !== 0) throw lockRefusal(restore, result.stderr) ?? refusal(restore, result.stderr, script);
    },
    save: (table) => save(table),
    saveCounted: (table) => save(table, "--counters"),
    stamp: (table) => {
      if (chosen !== "legacy" || !holdsLegacyTable(family, table, netns)) return undefined;
      return runInOptionalNetns(netns, () => legacyStamp(family, table));
    },
    list: async (table, chain) => {
      if (chosen === "legacy" && !holdsLegacyTable(family, table, netns)) return undefined;
      const args = ["-w", `${LOCK_WAIT}`, "-t", table, "-S", chain];
      const { exitCode, stdout, stderr } = await runProgram(program, args, options);
      if (exitCode === 0) return stdout;
      if (MISSING_CHAIN.test(stderr)) return undefined;
      const refused = `${program} ${args.join(" ")}: ${stderr.trim()}`;
      throw lockRefusal(program, stderr) ?? new IronbridgeError("IB_KERNEL_REFUSED", refused);
    },
  };
}

/** What the legacy and the nft variant say about a chain that is not there. */
const MISSING_CHAIN = /No chain\/target\/match by that name|is incompatible, use 'nft' tool/;

const SCTP_PROBE = "*filter\n:IRON-PROBE - [0:0]\n-A IRON-PROBE -p sctp -m sctp --dport 1\nCOMMIT\n";
/** What both variants say about a match that the kernel or the program lacks. */
const MISSING_MATCH = /missing kernel module|Couldn't load match/;

/** The legacy programs make the kernel create every table they look at, so look at the kernel's list first. */
function holdsLegacyTable(family: Family, table: IptablesTable, netns: Netns | undefined): boolean {
  const path = `/proc/thread-self/net/${family === "ipv4" ? "ip" : "ip6"}_tables_names`;
  return runInOptionalNetns(netns, () => existsSync(path) && readFileSync(path, "utf8").split("\n").includes(table));
}

function programName(family: Family, variant: IptablesVariant): string {
  return `${family === "ipv4" ? "iptables" : "ip6tables"}-${variant}`;
}

/** @param version For example `iptables v1.8.9 (nf_tables)`. */
function understandsRandomFully(version: string): boolean {
  const [major = 0, minor = 0, patch = 0] = (/v(\d+)\.(\d+)\.(\d+)/.exec(version)?.slice(1) ?? []).map(Number);
  return major * 1e6 + minor * 1e3 + patch >= 1_006_002;
}

/** All programs of the legacy variant on a machine take turns. Undefined when that is not what went wrong. */
function lockRefusal(program: string, stderr: string): IronbridgeError | undefined {
  if (!stderr.includes("holding the xtables lock")) return undefined;
  const path = /lock (\S+):/.exec(stderr)?.[1] ?? "/run/xtables.lock";
  const message = `${program}: another program has held the lock ${path} for ${LOCK_WAIT} s; fuser ${path} tells which`;
  return new IronbridgeError("IB_KERNEL_REFUSED", message);
}

/**
 * The program's first words and the text of the line they point at: `line 3: RULE_APPEND failed (...)` of the nft
 * variant, `line 3 failed` and `Error occurred at line: 3` of the legacy one, which for a rule that only the kernel
 * refuses names the COMMIT line.
 */
function refusal(program: string, stderr: string, script: string): IronbridgeError {
  const lines = stderr.split("\n").map((line) => line.trim());
  const words = lines.filter((line) => line !== "" && !line.startsWith("Try `")).slice(0, 3);
  const number = /\bline:? (\d+)/.exec(stderr)?.[1];
  const place = number === undefined ? "" : `: ${describeLine(script, Number(number))}`;
  return new IronbridgeError("IB_KERNEL_REFUSED", `${program}: ${words.join(" ")}${place}`);
}
