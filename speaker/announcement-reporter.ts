import type { Metrics } from "../core/mod.ts";
import { type Reporter, SERVICES, type Store, type V1Service } from "../kube/mod.ts";
import type { Candidacy } from "./announce.ts";
import type { Status } from "./l2/message.ts";
import type { Counts } from "./l2/responder.ts";
import { speakerMetrics } from "./metrics.ts";

export interface AnnouncementReporterOptions {
  readonly node: string;
  readonly services: Store<V1Service>;
  readonly reporter: Reporter;
  readonly metrics: Metrics;
}

/** Events and metrics about what this node announces. */
export function announcementReporter({ node, services, reporter, metrics }: AnnouncementReporterOptions) {
  const { announced, requests, responses, gratuitous } = speakerMetrics(metrics);
  let before: ReadonlySet<string> = new Set();
  return {
    announced: (status: Status, candidacies: ReadonlyMap<string, Candidacy>) => {
      const now = new Set<string>();
      announced.reset();
      for (const { facts } of candidacies.values()) {
        for (const ip of facts.addresses) {
          if (status.addresses[ip]?.own?.stance !== "holds") continue;
          announced.set({ service: facts.service, protocol: "layer2", node, ip }, 1);
          now.add(facts.service);
        }
      }
      for (const key of now) {
        const service = before.has(key) ? undefined : services.get(key);
        if (service === undefined) continue;
        const message = `announcing from node "${node}" with protocol "layer2"`;
        reporter.event(SERVICES, service, { type: "Normal", reason: "nodeAssigned", message });
      }
      before = now;
    },
    count: (counts: ReadonlyMap<string, Counts>) => {
      for (const [ip, count] of counts) {
        if (count.requests > 0) requests.inc({ ip }, count.requests);
        if (count.responses > 0) responses.inc({ ip }, count.responses);
        if (count.gratuitous > 0) gratuitous.inc({ ip }, count.gratuitous);
      }
    },
  };
}
