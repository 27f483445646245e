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

/** Log lines and metrics about the sessions of this node. */
export function bgpReporter({ node, log, metrics }: BgpReporterOptions) {
  const all = bgpMetrics(metrics);
  const configStale = staleGauge(metrics);
  let complained = "";
  let waiting = "";
  let untold = "";
  return {
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
    services: (changed: Iterable<string>, { services }: RouteView, isReady: (service: string) => boolean) => {
      for (const key of changed) {
        const found = services.get(key);
        const told = found !== undefined && "routes" in found && isReady(key);
        all.announced(node, key, told ? found.addresses : []);
      }
    },
  };
}
