import { parseArgs } from "node:util";
import { explainError } from "../../core/mod.ts";
import { isClusterUp, printHints, removeCluster, type Say, startBareCluster } from "./cluster.ts";
import { buildImages } from "./image/build.ts";
import { installVariant } from "./install.ts";
import { CHECKOUT, planCluster } from "./plan.ts";
import { parseVariant, VARIANT_CHOICES } from "./variant.ts";

const USAGE = `usage: node test/cluster/main.ts up|bare|images|down [options]

  up      build images, start three nodes, install, wait until all is ready; an earlier cluster is removed first
  bare    the same without installing anything: nodes are not ready
  images  build images only
  down    remove everything

  --tag NAME   part of the namespaces' names: ib-NAME-node1, ib-NAME-client (cluster)
  --image FILE Ironbridge's image (dist/ironbridge.tar)
  --dir PATH   where disks, keys and kubeconfig are (.cluster)
${Object.entries(VARIANT_CHOICES)
  .map(([name, choices]) => `  --${name} ${choices.join("|")}`)
  .join("\n")}`;

/** The command. Returns the exit code: 0, or 1 when it failed, or 2 for wrong usage. */
async function main(args: readonly string[]): Promise<number> {
  const choice = { type: "string" } as const;
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      tag: { type: "string", default: "cluster" },
      dir: { type: "string", default: ".cluster" },
      image: { type: "string", default: CHECKOUT.ironbridgeImage },
      "proxy-mode": choice,
      "routing-mode": choice,
      "ip-families": choice,
      "service-proxy": choice,
      "load-balancer": choice,
      cni: choice,
    },
  });
  const [command, ...rest] = positionals;
  if (rest.length > 0 || !["up", "bare", "images", "down"].includes(command ?? "")) {
    console.error(USAGE);
    return 2;
  }
  const variant = parseVariant(values);
  const { ipFamilies } = variant;
  const plan = planCluster({ tag: values.tag, directory: values.dir, image: values.image, ipFamilies });
  const say = stopwatch();
  if (command === "down") {
    const wasUp = await isClusterUp(plan);
    await removeCluster(plan);
    say(wasUp ? "removed" : "none was running; nothing of it is left");
    return 0;
  }
  await buildImages(say);
  if (command === "images") return 0;
  await startBareCluster(plan, say);
  if (command === "up") await installVariant(plan, variant, say);
  say("up");
  console.log(printHints(plan));
  return 0;
}

function stopwatch(): Say {
  const start = performance.now();
  return (line) => console.log(`cluster: ${((performance.now() - start) / 1000).toFixed(1).padStart(5)} s  ${line}`);
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(`cluster: ${explainError(error)}`);
  process.exitCode = 1;
}
