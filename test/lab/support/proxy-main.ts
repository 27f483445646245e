/**
 * A proxy in the network namespace it is started in. Argument: the home of its rules. Takes Crowd messages, starts with
 * the first, and answers with the turn when the kernel has what it says.
 */
import { type Crowd, putCrowd } from "./proxy-crowd.ts";
import { emptyStores, type Home, homeKernel, type RunningProxy, startOver } from "./proxy-lab.ts";

const home = process.argv[2] as Home;
const stores = emptyStores();
let running: Promise<RunningProxy> | undefined;

process.on("disconnect", () => process.exit());
process.on("message", async (crowd: Crowd) => {
  putCrowd(stores, crowd);
  running ??= startOver(home, stores, { kernel: homeKernel(undefined, home) }, 60_000);
  await (await running).settled();
  process.send?.(crowd.turn);
});
