import { COMMANDS, runCommands } from "./commands.ts";

await runCommands({
  ...COMMANDS,
  lab: {
    summary: "the whole system in network namespaces on this machine",
    load: async () => (await import("./lab.ts")).labCommand(),
  },
});
