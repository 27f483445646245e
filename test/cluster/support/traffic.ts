import { type Answer, startProbe } from "../../support/probe.ts";
import { getObject } from "../kubectl.ts";
import type { ClusterPlan } from "../plan.ts";
import { externalAddress } from "./test-cluster.ts";

/** Requests to one Service at a hundred a second, each on a connection of its own, by several ways at once. */
export interface Traffic {
  /** Waits until every way answers. */
  flows(): Promise<void>;
  /** Ends it. The failed requests of each way. */
  stop(): Promise<Readonly<Record<string, readonly Answer[]>>>;
}

interface ServiceObject {
  readonly spec: { readonly ports: readonly { readonly nodePort: number }[] };
}

/** Asks the Service's external address, and its node port on each of `nodes`. */
export async function startTraffic(plan: ClusterPlan, service: string, nodes: readonly string[]): Promise<Traffic> {
  const { spec } = await getObject<ServiceObject>(plan, "service", service);
  const urls: Record<string, string> = {
    "external address": `http://${await externalAddress(plan, "default", service)}/hostname`,
  };
  for (const node of plan.nodes.filter(({ name }) => nodes.includes(name))) {
    urls[`node port of ${node.name}`] = `http://${node.address}:${spec.ports[0]!.nodePort}/hostname`;
  }
  const probes = Object.entries(urls).map(([name, url]) => [name, startProbe(plan.client.netns, url)] as const);
  return {
    flows: async () => {
      for (const [, probe] of probes) await probe.succeed(20, 20_000);
    },
    stop: async () => {
      const ended = await Promise.all(probes.map(async ([name, probe]) => [name, await probe.stop()] as const));
      return Object.fromEntries(ended.map(([name, answers]) => [name, answers.filter(({ ok }) => !ok)]));
    },
  };
}
