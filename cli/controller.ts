import { Command } from "commander";
import {
  CONTROLLER_OPTIONS,
  type ControllerOptions,
  IP_ADDRESS_POOLS,
  L2_ADVERTISEMENTS,
  readControllerOptions,
} from "../config/mod.ts";
import { startController } from "../controller/mod.ts";
import { runProgram } from "../core/mod.ts";
import { NAMESPACES, SERVICES, startInformer } from "../kube/mod.ts";
import { createDaemon, serveParts } from "./daemon.ts";
import { makeMemberKey } from "./member-key.ts";
import { knowledgePart } from "./part.ts";
import { addFlags } from "./settings.ts";

/** `ironbridge controller`. */
export function controllerCommand(): Command {
  return addFlags(new Command("controller"), CONTROLLER_OPTIONS).action((flags: Record<string, unknown>) =>
    runProgram("controller", (signal) => runController(readControllerOptions(flags, process.env), signal)),
  );
}

async function runController(options: ControllerOptions, signal: AbortSignal): Promise<void> {
  const daemon = createDaemon("controller", options);
  const { client, log } = daemon;
  const stores = {
    services: startInformer(client, SERVICES, { log }, signal),
    namespaces: startInformer(client, NAMESPACES, { log }, signal),
    pools: startInformer(client, IP_ADDRESS_POOLS, { log }, signal),
    l2Advertisements: startInformer(client, L2_ADVERTISEMENTS, { log }, signal),
  };
  const lbClass = options.lbClass === undefined ? {} : { lbClass: options.lbClass };
  const controller = startController({ ...daemon, ...stores, ...lbClass }, signal);
  if (options.namespace !== undefined) void makeMemberKey(options.namespace, daemon, signal);
  await serveParts(daemon, { controller, knowledge: knowledgePart(stores) }, options.adminAddress, signal);
}
