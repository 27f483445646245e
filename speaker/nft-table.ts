import { explainError, type Log, startRunner } from "../core/mod.ts";
import { openNft } from "../linux/mod.ts";

/** What the kernel is to have of tables that are the speaker's alone. */
export interface TableText {
  /** Commands that replace whatever was there. */
  readonly text: string;
  /** True when there is nothing in them. */
  readonly empty: boolean;
}

export interface NftTableOptions {
  readonly wanted: () => TableText;
  readonly log: Log;
  /** For the log when the kernel refuses: `speaker.echo`, and a sentence. */
  readonly event: string;
  readonly complaint: string;
}

const ROUND = { minInterval: 100, retryInterval: 5000, maxInterval: 60_000 } as const;

/**
 * Keeps tables of nftables as `wanted()` says; poke() when that may have changed. What the kernel has at the end stays: a
 * restart is no reason to change what packets meet.
 */
export function startNftTable(options: NftTableOptions, signal: AbortSignal): { poke(): void } {
  const { wanted, log, event, complaint } = options;
  let applied: string | undefined;
  let complained = "";
  const round = async () => {
    const { text, empty } = wanted();
    // Who never asked for it needs no nftables: what an earlier run left is replaced once something is asked for again.
    if (text === applied || (empty && applied === undefined)) return;
    const nft = await openNft();
    try {
      await nft.apply(text);
      applied = text;
      complained = "";
    } finally {
      nft.close();
    }
  };
  const onError = (error: unknown) => {
    const reason = explainError(error);
    if (reason !== complained) log.warn({ event, reason }, complaint);
    complained = reason;
  };
  return startRunner(round, { ...ROUND, onError }, signal);
}

/** Commands that replace the table, `ip name` or the like, by one with these lines; without lines it is gone. */
export function printTable(table: string, lines: readonly string[]): string {
  const forget = `table ${table} {\n}\ndelete table ${table}\n`;
  return lines.length === 0 ? forget : `${forget}table ${table} {\n${lines.map((line) => `  ${line}\n`).join("")}}\n`;
}

/** The lines of a set or map: `set ipv4` of `ipv4_addr`. */
export function printCollection(name: string, type: string, elements: readonly string[]): string[] {
  return [
    `${name} {`,
    `  type ${type}`,
    ...(elements.length > 0 ? [`  elements = { ${elements.join(", ")} }`] : []),
    "}",
  ];
}
