import { cp, rm } from "node:fs/promises";
import { join } from "node:path";
import { runInHost } from "../../lab/command.ts";
import { waitFor } from "../support/wait.ts";
import { getObject } from "./kubectl.ts";
import { addressesOf, type ClusterPlan, type MachinePlan } from "./plan.ts";
import { writeOnDisk } from "./unit.ts";
import { REFERENCE_PLUGINS } from "./worker.ts";

const PLUGINS = ["bridge", "host-local", "portmap"];
const FORWARD4 = "net.ipv4.ip_forward=1";
const FORWARDING = { ipv4: [FORWARD4], dual: [FORWARD4, "net.ipv6.conf.all.forwarding=1"] } as const;
const CONFIGURATION = "etc/cni/net.d/10-reference.conflist";

/**
 * The CNI project's own plugins as the pod network: bridge and portmap, and a route on each node to the others' pods.
 * What kindnet sets up, without its program.
 */
export async function installReferenceCni(plan: ClusterPlan): Promise<void> {
  const prefixes = await podPrefixes(plan);
  for (const node of plan.nodes) {
    // The bridge plugin does it too, but only where there is a pod.
    await runInHost(node.netns, "sysctl", ["--write", ...FORWARDING[plan.ipFamilies]]);
    for (const peer of plan.nodes.filter((each) => each !== node)) {
      const gateways = addressesOf(peer);
      for (const [i, prefix] of prefixes.get(peer.name)!.entries()) {
        await runInHost(node.netns, "ip", ["route", "replace", prefix, "via", gateways[i]!]);
      }
    }
    for (const plugin of PLUGINS) {
      await cp(join(REFERENCE_PLUGINS, plugin), join(node.disk, "opt/cni/bin", plugin));
    }
    await writeOnDisk(node, CONFIGURATION, JSON.stringify(configuration(prefixes.get(node.name)!), null, 2));
  }
}

/** Takes the configuration away; pods that have been made with it stay as they are. */
export async function removeReferenceCni(node: MachinePlan): Promise<void> {
  await rm(join(node.disk, CONFIGURATION), { force: true });
}

interface NodeObject {
  readonly metadata: { readonly name: string };
  readonly spec: { readonly podCIDRs?: readonly string[] };
}

/** The pod prefixes of each node, IPv4 first, once the controller manager has given all of them theirs. */
async function podPrefixes(plan: ClusterPlan): Promise<ReadonlyMap<string, readonly string[]>> {
  return waitFor(
    "pod prefixes of all nodes",
    async () => {
      const { items } = await getObject<{ items: readonly NodeObject[] }>(plan, "nodes");
      const given = new Map(items.map(({ metadata, spec }) => [metadata.name, spec.podCIDRs ?? []]));
      return plan.nodes.every(({ name }) => given.get(name)?.length) && given;
    },
    { deadline: PATIENCE },
  );
}

/** Milliseconds; the controller manager's leader is there some seconds after its start, later on a busy machine. */
const PATIENCE = 60_000;

function configuration(prefixes: readonly string[]): object {
  return {
    cniVersion: "0.4.0",
    name: "reference",
    plugins: [
      {
        type: "bridge",
        bridge: "cni0",
        isGateway: true,
        hairpinMode: true,
        ipMasq: false,
        ipam: {
          type: "host-local",
          ranges: prefixes.map((subnet) => [{ subnet }]),
          routes: prefixes.map((prefix) => ({ dst: prefix.includes(":") ? "::/0" : "0.0.0.0/0" })),
        },
      },
      { type: "portmap", capabilities: { portMappings: true } },
    ],
  };
}
