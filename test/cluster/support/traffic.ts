import { type Answer, longestOutage, startProbe } from "../../support/probe.ts";
import { getObject } from "../kubectl.ts";
import type { ClusterPlan } from "../plan.ts";
import { externalAddress } from "./test-cluster.ts";

/** Requests to one Service at a hundred a second, each on a connection of its own, by several ways at once. */
export interface Traffic {
  /** Waits until every way answers. */
  flows(): Promise<void>;
  /** Ends it and gives what each way saw. */
  stop(): Promise<Readonly<Record<string, Toll>>>;
}

/** What a change cost those who came one way. */
export interface Toll {
  readonly failed: readonly Answer[];
  /** The longest time without an answer, milliseconds. */
  readonly outage: number;
}

/** By the Service's external address. */
export const EXTERNAL = "external address";

interface ServiceObject {
  readonly spec: { readonly ports: readonly { readonly nodePort: number }[] };
}

/** Asks the Service's external address, and its node port on each of `nodes`. */
export async function startTraffic(plan: ClusterPlan, service: string, nodes: readonly string[]): Promise<Traffic> {
  const { spec } = await getObject<ServiceObject>(plan, "service", service);
  const urls: Record<string, string> = {
    [EXTERNAL]: `http://${await externalAddress(plan, "default", service)}/hostname`,
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
      const tolls = probes.map(async ([name, probe]) => {
        const answers = await probe.stop();
        const toll: Toll = { failed: answers.filter(({ ok }) => !ok), outage: longestOutage(answers) };
        process.stdout.write(`    ${name}: ${toll.failed.length} of ${answers.length} requests failed\n`);
        return [name, toll] as const;
      });
      return Object.fromEntries(await Promise.all(tolls));
    },
  };
}

/** The requests that failed on any way but the external address. */
export function failedThroughNodes(tolls: Readonly<Record<string, Toll>>): readonly Answer[] {
  return Object.entries(tolls).flatMap(([name, { failed }]) => (name === EXTERNAL ? [] : failed));
}
