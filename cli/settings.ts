import type { Command } from "commander";
import { type Flag, flagsOf } from "../config/mod.ts";

type OptionTable = Parameters<typeof flagsOf>[0];

/** Gives `command` the flags of a table of settings. The table reads and checks the values; commander only collects them. */
export function addFlags(command: Command, table: OptionTable): Command {
  for (const flag of flagsOf(table)) command.option(flag.flag, helpOf(flag));
  return command;
}

function helpOf({ help, fallback, variable }: Flag): string {
  const otherwise = fallback === undefined || fallback === "" ? "" : `default ${fallback}; `;
  return `${help} (${otherwise}$${variable})`;
}
