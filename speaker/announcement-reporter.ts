import type { Clock, Metrics } from "../core/mod.ts";
import { type EventNote, type Reporter, SERVICES, type Store, type V1Service } from "../kube/mod.ts";
import type { Candidacy } from "./announce.ts";
import type { AnnounceFailure } from "./announce-failure.ts";
import type { Happening, Status } from "./l2/message.ts";
import type { Counts } from "./l2/responder.ts";
import { type SpeakerMetrics, speakerMetrics } from "./metrics.ts";

export interface AnnouncementReporterOptions {
  readonly node: string;
  readonly services: Store<V1Service>;
  readonly reporter: Reporter;
  readonly metrics: Metrics;
  readonly clock: Clock;
}

export interface AnnouncementReporter {
  readonly metrics: SpeakerMetrics;
  /** What this node announces now. */
  announced(status: Status, candidacies: ReadonlyMap<string, Candidacy>): void;
  /** @returns Milliseconds until failures that are new now are reported, if they last; undefined when there are none. */
  failed(failures: readonly AnnounceFailure[]): number | undefined;
  happened(happening: Happening, candidacies: ReadonlyMap<string, Candidacy>): void;
  count(counts: ReadonlyMap<string, Counts>): void;
}

/** How long nobody must announce an address before it is reported: members become ready one after the other. */
const FAILED_FOR = 2000;

/** Events and metrics about what this node announces. */
export function announcementReporter(options: AnnouncementReporterOptions): AnnouncementReporter {
  const { node, services, reporter, clock } = options;
  const metrics = speakerMetrics(options.metrics);
  /** Services this node announces since it said so. */
  let assigned: ReadonlySet<string> = new Set();
  const failingSince = new Map<string, number>();
  let labelled: Record<string, string>[] = [];

  const tell = (key: string, note: EventNote) => {
    const service = services.get(key);
    if (service !== undefined) reporter.event(SERVICES, service, note);
  };

  return {
    metrics,
    announced: (status, candidacies) => {
      metrics.members.reset();
      for (const reach of Object.values(status.members)) metrics.members.inc({ reach });
      for (const labels of labelled) metrics.announced.remove(labels);
      labelled = [];
      const next = new Set<string>();
      for (const { facts } of candidacies.values()) {
        const states = facts.addresses.map((ip) => ({ ip, ...status.addresses[ip] }));
        const held = states.filter(({ own }) => own?.stance === "holds");
        labelled.push(...held.map(({ ip }) => ({ service: facts.service, protocol: "layer2", node, ip })));
        // A moment without a holder, while links or rules come and go, is no new assignment.
        const stays = assigned.has(facts.service) && states.every(({ holder = node }) => holder === node);
        if (held.length > 0 || stays) next.add(facts.service);
      }
      for (const labels of labelled) metrics.announced.set(labels, 1);
      for (const key of next) {
        if (assigned.has(key)) continue;
        const message = `announcing from node "${node}" with protocol "layer2"`;
        tell(key, { type: "Normal", reason: "nodeAssigned", message });
      }
      assigned = next;
    },
    failed: (failures) => {
      const now = clock.now();
      const keys = new Set(failures.map(({ service, address }) => `${service} ${address}`));
      for (const key of failingSince.keys()) if (!keys.has(key)) failingSince.delete(key);
      let wait: number | undefined;
      for (const { service, address } of failures) {
        const key = `${service} ${address}`;
        const since = failingSince.get(key) ?? now;
        failingSince.set(key, since);
        if (since === Number.POSITIVE_INFINITY) continue; // reported
        const left = since + FAILED_FOR - now;
        if (left > 0) {
          wait = Math.min(wait ?? left, left);
          continue;
        }
        failingSince.set(key, Number.POSITIVE_INFINITY);
        const message = `the interfaces specified by LB IP "${address}" doesn't exist in assigned node "${node}" with protocol "layer2"`;
        tell(service, { type: "Warning", reason: "announceFailed", message });
      }
      return wait;
    },
    happened: (happening, candidacies) => {
      if (happening.kind === "took") metrics.takes.inc({ reason: happening.reason });
      if (happening.kind === "memberLost") metrics.detection.observe(happening.silence / 1000);
      if (happening.kind === "strangeDatagram") metrics.strange.inc();
      if (happening.kind !== "foreigner") return;
      const { address, mac, interface: name } = happening.foreigner;
      metrics.duplicates.inc({ ip: address });
      for (const { facts } of candidacies.values()) {
        if (!facts.addresses.includes(address)) continue;
        const message = `another host, ${mac} on interface ${name}, uses address ${address} too; give it another one or take ${address} out of the pool`;
        tell(facts.service, { type: "Warning", reason: "duplicateAddress", message });
      }
    },
    count: (counts) => {
      for (const [ip, count] of counts) {
        if (count.requests > 0) metrics.requests.inc({ ip }, count.requests);
        if (count.responses > 0) metrics.responses.inc({ ip }, count.responses);
        if (count.gratuitous > 0) metrics.gratuitous.inc({ ip }, count.gratuitous);
      }
    },
  };
}
