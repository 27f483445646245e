import { Counter, Gauge, type Metrics } from "../../core/mod.ts";
import { announcedGauge } from "../metrics.ts";
import type { PeerStatus } from "./message.ts";
import type { RouteView } from "./route-view.ts";

type Reading = readonly [help: string, read: (status: PeerStatus) => number];

/** MetalLB's own names, those of its FRR mode included, so that existing dashboards and alerts keep working. */
const GAUGES: Readonly<Record<string, Reading>> = {
  metallb_bgp_session_up: ["BGP session state (1 is up, 0 is down)", ({ phase }) => (phase === "established" ? 1 : 0)],
  metallb_bgp_announced_prefixes_total: ["Number of prefixes the peer was told", ({ announced }) => announced],
  metallb_bgp_pending_prefixes_total: ["Number of prefixes the peer has yet to be told of", ({ pending }) => pending],
};
const BFD_GAUGES: Readonly<Record<string, Reading>> = {
  metallb_bfd_session_up: ["BFD session state (1 is up, 0 is down)", ({ bfd }) => (bfd?.state === "up" ? 1 : 0)],
};
const COUNTERS: Readonly<Record<string, Reading>> = {
  metallb_bgp_updates_total: ["Number of BGP UPDATE messages sent", ({ counts }) => counts.updatesSent],
  metallb_bgp_updates_total_received: [
    "Number of BGP UPDATE messages received",
    ({ counts }) => counts.updatesReceived,
  ],
  metallb_bgp_opens_sent: ["Number of BGP OPEN messages sent", ({ counts }) => counts.opensSent],
  metallb_bgp_opens_received: ["Number of BGP OPEN messages received", ({ counts }) => counts.opensReceived],
  metallb_bgp_notifications_sent: [
    "Number of BGP NOTIFICATION messages sent",
    ({ counts }) => counts.notificationsSent,
  ],
  metallb_bgp_keepalives_sent: ["Number of BGP KEEPALIVE messages sent", ({ counts }) => counts.keepalivesSent],
  metallb_bgp_keepalives_received: [
    "Number of BGP KEEPALIVE messages received",
    ({ counts }) => counts.keepalivesReceived,
  ],
  metallb_bgp_route_refresh_sent: ["Number of BGP ROUTE-REFRESH messages sent", ({ counts }) => counts.refreshesSent],
  metallb_bgp_total_sent: ["Number of BGP messages sent", ({ counts }) => counts.sent],
  metallb_bgp_total_received: ["Number of BGP messages received", ({ counts }) => counts.received],
};
const BFD_COUNTERS: Readonly<Record<string, Reading>> = {
  metallb_bfd_control_packet_input: ["Number of BFD control packets received", ({ bfd }) => bfd?.received ?? 0],
  metallb_bfd_control_packet_output: ["Number of BFD control packets sent", ({ bfd }) => bfd?.sent ?? 0],
  metallb_bfd_session_up_events: ["Number of times a BFD session came up", ({ bfd }) => bfd?.ups ?? 0],
  metallb_bfd_session_down_events: ["Number of times a BFD session went down", ({ bfd }) => bfd?.downs ?? 0],
};

/** The metrics of all sessions. The label `peer` is address and port, as in MetalLB. */
export function bgpMetrics(registry: Metrics) {
  const common = { labelNames: ["peer"], registers: [registry] };
  const gaugesOf = (table: typeof GAUGES) =>
    Object.entries(table).map(([name, [help, read]]) => ({ gauge: new Gauge({ name, help, ...common }), read }));
  const countersOf = (table: typeof COUNTERS) =>
    Object.entries(table).map(([name, [help, read]]) => ({
      name,
      counter: new Counter({ name, help, ...common }),
      read,
    }));
  const bgp = { gauges: gaugesOf(GAUGES), counters: countersOf(COUNTERS) };
  const bfd = { gauges: gaugesOf(BFD_GAUGES), counters: countersOf(BFD_COUNTERS) };
  const announced = announcedGauge(registry);
  /** What each counter read last, by peer. */
  const seen = new Map<string, Map<string, number>>();
  let labelled: ReadonlyMap<string, Record<string, string>> = new Map();

  const forget = (peer: string) => {
    seen.delete(peer);
    for (const { gauge } of [...bgp.gauges, ...bfd.gauges]) gauge.remove({ peer });
    for (const { counter } of [...bgp.counters, ...bfd.counters]) counter.remove({ peer });
  };
  const note = ({ gauges, counters }: typeof bgp, status: PeerStatus, last: Map<string, number>) => {
    const peer = status.remote;
    for (const { gauge, read } of gauges) gauge.set({ peer }, read(status));
    for (const { name, counter, read } of counters) {
      const now = read(status);
      const before = last.get(name) ?? 0;
      // A session that was made anew counts from zero again.
      counter.inc({ peer }, now >= before ? now - before : now);
      last.set(name, now);
    }
  };

  return {
    sessions: (statuses: readonly PeerStatus[]) => {
      const present = new Set(statuses.map(({ remote }) => remote));
      for (const peer of seen.keys()) if (!present.has(peer)) forget(peer);
      for (const status of statuses) {
        if (status.remote === "") continue;
        const last = seen.get(status.remote) ?? new Map<string, number>();
        seen.set(status.remote, last);
        note(bgp, status, last);
        if (status.bfd !== undefined) note(bfd, status, last);
      }
    },
    announced: (node: string, { services }: RouteView, ready: ReadonlySet<string>) => {
      const now = new Map<string, Record<string, string>>();
      for (const each of services.values()) {
        if (!("routes" in each) || !ready.has(each.service)) continue;
        const { service } = each;
        for (const ip of each.addresses) now.set(`${service} ${ip}`, { service, protocol: "bgp", node, ip });
      }
      for (const [key, labels] of labelled) if (!now.has(key)) announced.remove(labels);
      for (const [key, labels] of now) if (!labelled.has(key)) announced.set(labels, 1);
      labelled = now;
    },
  };
}
