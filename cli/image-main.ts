import { COMMANDS, runCommands } from "./commands.ts";

/** Where an image's `ironbridge` begins: without the lab, which is for a checkout. */
await runCommands(COMMANDS);
