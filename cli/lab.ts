import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Command, Option } from "commander";
import { PROXY_MODES, type ProxyMode } from "../config/mod.ts";
import { runProgram } from "../core/mod.ts";
import { labDirectory } from "../lab/mod.ts";
import type { LabChoice } from "./lab-choice.ts";
import { labDown } from "./lab-down.ts";
import { labServe } from "./lab-serve.ts";
import { labStatus } from "./lab-status.ts";
import { labUp } from "./lab-up.ts";

const DEFAULT_DIRECTORY = fileURLToPath(new URL("../.lab", import.meta.url));

interface Flags {
  readonly dir: string;
  readonly tag?: string;
  readonly nodes?: string;
  readonly proxyMode?: ProxyMode;
}

/** `ironbridge lab`. */
export function labCommand(): Command {
  return new Command("lab")
    .addCommand(
      subcommand("up", "bring the lab up, apply the samples and curl through them", labUp)
        .addOption(proxyMode())
        .addOption(nodes()),
    )
    .addCommand(subcommand("down", "remove the lab: namespaces, processes, sockets, files", labDown).addOption(nodes()))
    .addCommand(subcommand("status", "what runs, and who announces which address", labStatus).addOption(nodes()))
    .addCommand(
      subcommand("serve", "hold a lab in the foreground, as `lab up` does in the background", labServe)
        .addOption(proxyMode())
        .addOption(nodes()),
    );
}

function subcommand(
  name: string,
  summary: string,
  run: (choice: LabChoice, signal: AbortSignal) => Promise<void>,
): Command {
  return new Command(name)
    .description(summary)
    .option("--dir <directory>", "where the lab keeps its files", DEFAULT_DIRECTORY)
    .option("--tag <text>", "part of the namespaces' names, for a lab beside the one without a tag")
    .action((flags: Flags) => runProgram(`lab ${name}`, (signal) => run(choiceOf(flags), signal)));
}

function proxyMode(): Option {
  return new Option("--proxy-mode <mode>", "how Service rules are written to the kernel")
    .choices(PROXY_MODES)
    .default("nftables");
}

function nodes(): Option {
  return new Option("--nodes <number>", "how many nodes the lab has").default("3");
}

function choiceOf({ dir, tag, nodes: count, proxyMode: mode }: Flags): LabChoice {
  return {
    directory: labDirectory(resolve(dir)),
    tag,
    nodes: Number(count ?? 3),
    proxyMode: mode ?? "nftables",
  };
}
