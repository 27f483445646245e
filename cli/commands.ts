import { readFileSync } from "node:fs";
import { Command } from "commander";
import { ownFile } from "../core/mod.ts";

/** A command, loaded only when asked for: a daemon starts without the lab, the lab without the daemons. */
export interface LazyCommand {
  readonly summary: string;
  load(): Promise<Command>;
}

/** The commands an image has. */
export const COMMANDS: Readonly<Record<string, LazyCommand>> = {
  agent: {
    summary: "the node's daemon: announces addresses, forwards Services, makes pod interfaces",
    load: async () => (await import("./agent.ts")).agentCommand(),
  },
  controller: {
    summary: "the cluster's daemon: gives addresses from IPAddressPools to Services",
    load: async () => (await import("./controller.ts")).controllerCommand(),
  },
  cleanup: {
    summary: "removes the Service rules of this node, or those that kube-proxy left",
    load: async () => (await import("./cleanup.ts")).cleanupCommand(),
  },
  prepare: {
    summary: "what is done on a node before its agent starts",
    load: async () => (await import("./prepare.ts")).prepareCommand(),
  },
};

/** Runs the command that this process was started with. */
export async function runCommands(commands: Readonly<Record<string, LazyCommand>>): Promise<void> {
  const { version } = JSON.parse(readFileSync(ownFile("package.json"), "utf8"));
  const program = new Command("ironbridge")
    .description("External addresses, Service forwarding and the pod network for bare-metal Kubernetes")
    .version(version);
  for (const [name, { summary, load }] of Object.entries(commands)) {
    const command = process.argv[2] === name ? await load() : new Command(name);
    program.addCommand(command.description(summary));
  }
  await program.parseAsync();
}
