import type { Log, Metrics } from "../../core/mod.ts";
import { staleGauge } from "../metrics.ts";
import type { PeerStatus } from "./message.ts";
import { bgpMetrics } from "./metrics.ts";
import type { NodePeer } from "./peer-settings.ts";
import type { RouteView } from "./route-view.ts";

export interface BgpReporterOptions {
  readonly node: string;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** Services that are named, of those whose advertisements contradict each other; the others are like them. */
const MOST_NAMED = 20;

/** Log lines and metrics about the sessions of this node. */
export function bgpReporter({ node, log, metrics }: BgpReporterOptions) {
  const all = bgpMetrics(metrics);
  const configStale = staleGauge(metrics);
  let complained = "";
  let waiting = "";
  let untold = "";
  /** By Service: what is wrong with its advertisements. */
  const contradictions = new Map<string, string>();
  const noteContradiction = (key: string, isThere: boolean) => {
    if (!isThere) contradictions.delete(key);
    if (!isThere || contradictions.has(key)) return;
    const why = "BGPAdvertisements that select it give one of its routes several values of localPref";
    const problem = `Service ${key} is not announced: ${why}; write the same in all of them, or other peers`;
    contradictions.set(key, problem);
    log.warn({ event: "bgp.contradiction", problem }, "advertisements of a Service contradict each other");
  };
  return {
    /** What is wrong with advertisements of some Services, in sentences. */
    contradictions: (): readonly string[] => [...contradictions.values()].slice(0, MOST_NAMED),
    problems: (problems: readonly string[]) => {
      const text = problems.join("\n");
      if (text !== complained) {
        for (const problem of problems) log.warn({ event: "bgp.config", problem }, "a mistake in the configuration");
      }
      complained = text;
    },
    /** @param problems All that is wrong, what peers wait for included. */
    stale: (problems: readonly string[]) => configStale.note("bgp", problems),
    sessions: (statuses: readonly PeerStatus[], peers: readonly NodePeer[]) => {
      all.sessions(statuses);
      const waits = peers.flatMap((peer) => ("waits" in peer ? [`${peer.name}: ${peer.waits}`] : []));
      const text = waits.join("\n");
      if (text !== waiting) for (const reason of waits) log.warn({ event: "bgp.waits", reason }, "a peer has to wait");
      waiting = text;
    },
    /** @param sentences Why routes are not told. */
    untold: (sentences: readonly string[]) => {
      const text = sentences.join("\n");
      if (text !== untold)
        for (const reason of sentences) log.warn({ event: "bgp.tooLong", reason }, "a route is too long");
      untold = text;
    },
    /** @param changed Services of which something may be other than before. */
    services: (
      changed: Iterable<string>,
      { services }: Pick<RouteView, "services">,
      isReady: (service: string) => boolean,
    ) => {
      for (const key of changed) {
        const found = services.get(key);
        const told = found !== undefined && "routes" in found && isReady(key);
        all.announced(node, key, told ? found.addresses : []);
        noteContradiction(key, found !== undefined && "refused" in found && found.refused === "conflictingLocalPref");
      }
    },
  };
}
