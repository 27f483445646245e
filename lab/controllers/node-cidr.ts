import { NODES, objectKey, type V1Node } from "../../kube/mod.ts";
import { type IpFamilies, podCidrs } from "../address-plan.ts";
import { type Cluster, nameOf, whenSeen } from "../cluster.ts";
import { type KeyedController, startKeyedController } from "./keyed-controller.ts";

/** The pod prefixes of each node that has none: of the number in the node's name if it is free, else the lowest. Pure. */
export function assignPodCidrs(
  nodes: readonly V1Node[],
  families: IpFamilies,
): ReadonlyMap<string, readonly [string, ...string[]]> {
  const used = new Set(nodes.flatMap((node) => node.spec?.podCIDR ?? []));
  const assigned = new Map<string, readonly [string, ...string[]]>();
  const without = nodes.filter((node) => node.spec?.podCIDR === undefined);
  for (const node of without.toSorted((a, b) => objectKey(a).localeCompare(objectKey(b), "en", { numeric: true }))) {
    const ownNumber = Number(/\d+$/.exec(objectKey(node))?.[0] ?? 0);
    const numbers = [ownNumber, ...Array.from({ length: 255 }, (_, i) => i + 1)];
    const inRange = numbers.filter((number) => number >= 1 && number <= 255);
    const free = inRange.map((number) => podCidrs(number, families)).find(([first]) => !used.has(first));
    if (free === undefined) break; // more nodes than 10.244.0.0/16 has prefixes
    used.add(free[0]);
    assigned.set(objectKey(node), free);
  }
  return assigned;
}

/** Gives every node its pod prefixes, as kube-controller-manager does. */
export function startNodeCidrController(cluster: Cluster, families: IpFamilies, signal: AbortSignal): KeyedController {
  const everything = "nodes";
  const sync = async () => {
    for (const [key, cidrs] of assignPodCidrs(cluster.nodes.list(), families)) {
      const node = cluster.nodes.get(key);
      if (node === undefined) continue;
      const body = { spec: { podCIDR: cidrs[0], podCIDRs: cidrs } };
      await cluster.client.patch(NODES, nameOf(node), { kind: "merge", body });
      await whenSeen(cluster.nodes, key, (seen) => seen === undefined || seen.spec?.podCIDR !== undefined);
    }
  };
  const controller = startKeyedController("node-cidr", sync, cluster.log, signal);
  cluster.nodes.subscribe(({ after }) => {
    if (after !== undefined && after.spec?.podCIDR === undefined) controller.mark(everything);
  });
  controller.mark(everything);
  return controller;
}
