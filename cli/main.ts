import { readFileSync } from "node:fs";
import { Command } from "commander";

/** Every command, loaded only when asked for: a daemon starts without the lab, the lab without the daemons. */
const COMMANDS: Readonly<Record<string, { readonly summary: string; load(): Promise<Command> }>> = {
  agent: {
    summary: "the node's daemon: announces addresses, forwards Services, makes pod interfaces",
    load: async () => (await import("./agent.ts")).agentCommand(),
  },
  controller: {
    summary: "the cluster's daemon: gives addresses from IPAddressPools to Services",
    load: async () => (await import("./controller.ts")).controllerCommand(),
  },
  lab: {
    summary: "the whole system in network namespaces on this machine",
    load: async () => (await import("./lab.ts")).labCommand(),
  },
};

const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
const program = new Command("ironbridge")
  .description("External addresses, Service forwarding and the pod network for bare-metal Kubernetes")
  .version(version);
for (const [name, { summary, load }] of Object.entries(COMMANDS)) {
  const command = process.argv[2] === name ? await load() : new Command(name);
  program.addCommand(command.description(summary));
}
await program.parseAsync();
