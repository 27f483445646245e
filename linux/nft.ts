import { writeFileSync } from "node:fs";
import { IronbridgeError } from "../core/mod.ts";
import { exec, runProgram } from "./exec.ts";
import { check, close, createMemoryFile, createNftContext, type NftContext, releaseMemory } from "./libc.ts";
import { type Netns, runInOptionalNetns } from "./netns.ts";
import { rememberOwnPorts } from "./nft-origin.ts";
import { describeLine } from "./script-line.ts";

/** nftables of the network namespace this process runs in, spoken as text. */
export interface Nft {
  /**
   * Applies `script` as one transaction: all of it or nothing.
   * @throws {IronbridgeError} IB_KERNEL_REFUSED with nft's own words and the line it points at.
   */
  apply(script: string): Promise<void>;
  /** The answer to a `list ...` command, as text; undefined when the object does not exist. */
  list(command: string): Promise<string | undefined>;
  close(): void;
}

/**
 * libnftables in process where the library is there, else the `nft` program; in `netns`, or the namespace of this
 * process. Calls queue up. @throws {IronbridgeError} IB_BINARY_MISSING when there is neither.
 */
export async function openNft(netns?: Netns): Promise<Nft> {
  const context = runInOptionalNetns(netns, createNftContext);
  return context === undefined ? openNftProgram(netns) : openNftLibrary(context);
}

/** The `nft` program. */
export async function openNftProgram(netns?: Netns): Promise<Nft> {
  await exec("nft", ["--version"]);
  const run = async (script: string): Promise<NftResult> => {
    const options = { input: script, timeout: PROGRAM_TIMEOUT, ...(netns && { netns }) };
    const { exitCode, stdout, stderr } = await runProgram("nft", ["-f", "-"], options);
    return { ok: exitCode === 0, output: stdout, errors: stderr };
  };
  return nftOf(run, () => {});
}

/** Milliseconds: a full load of tens of thousands of Services on a slow machine. */
const PROGRAM_TIMEOUT = 120_000;

interface NftResult {
  readonly ok: boolean;
  readonly output: string;
  readonly errors: string;
}

/** Characters from which on libnftables leaves megabytes behind: it takes about fifty octets for one of text. */
const LARGE_SCRIPT = 256 * 1024;

/** From a file in memory: libnftables names the line of a mistake only for files. */
function openNftLibrary(context: NftContext): Nft {
  let open = true;
  const run = async (script: string) => {
    if (!open) throw new Error("nft was closed");
    const fd = check(createMemoryFile("nft"), "create a file in memory");
    try {
      writeFileSync(fd, script);
      return await context.run(`/proc/self/fd/${fd}`);
    } finally {
      close(fd);
      if (script.length > LARGE_SCRIPT) releaseMemory();
    }
  };
  return nftOf(run, () => {
    if (!open) return;
    open = false;
    void inTurn(async () => {
      rememberOwnPorts(); // notices of its last transactions may still be unread
      context.free();
    });
  });
}

function nftOf(run: (script: string) => Promise<NftResult>, close: () => void): Nft {
  return {
    apply: async (script) => {
      const result = await inTurn(() => run(script));
      if (!result.ok) throw refusal(script, result.errors);
    },
    list: async (command) => {
      const result = await inTurn(() => run(`${command}\n`));
      if (result.ok) return result.output;
      if (result.errors.includes("No such file or directory")) return undefined;
      throw refusal(command, result.errors);
    },
    close,
  };
}

let lastTurn: Promise<unknown> = Promise.resolve();

/** libnftables keeps tables of names that all contexts share, so that no two calls of a thread may overlap. */
function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const turn = lastTurn.then(work);
  lastTurn = turn.then(
    () => {},
    () => {}, // the caller of this turn gets the error; the next turn is another's
  );
  return turn;
}

/** nft says `/dev/stdin:LINE:COLUMN-COLUMN: Error: WORDS`, then shows the line; the first mistake is the telling one. */
function refusal(script: string, errors: string): IronbridgeError {
  const [, line, column, words] = /^[^\s:]+:(\d+):(\d+)-\d+: (?:Error: )?(.*)$/m.exec(errors) ?? [];
  if (line === undefined || words === undefined) {
    return new IronbridgeError("IB_KERNEL_REFUSED", `nft: ${errors.trim()}`);
  }
  const place = describeLine(script, Number(line), Number(column));
  return new IronbridgeError("IB_KERNEL_REFUSED", `nft: ${words}: ${place}`);
}
