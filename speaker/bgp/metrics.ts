import { Counter, Gauge, type Metrics } from "../../core/mod.ts";
import { announcedGauge } from "../metrics.ts";
import type { PeerStatus } from "./message.ts";

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
  metallb_bfd_echo_packet_input: [
    "Number of BFD echo packets of the peer to this node's own address",
    ({ bfd }) => bfd?.echoes ?? 0,
  ],
  metallb_bfd_echo_packet_output: ["Number of BFD echo packets sent back to the peer", ({ bfd }) => bfd?.echoes ?? 0],
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
  /** The addresses of each Service that the gauge says are announced. */
  const labelled = new Map<string, readonly string[]>();

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
    /** @param ips All addresses of the Service that `node` announces now. */
    announced: (node: string, service: string, ips: readonly string[]) => {
      const before = labelled.get(service) ?? [];
      const labels = (ip: string) => ({ service, protocol: "bgp", node, ip });
      for (const ip of before) if (!ips.includes(ip)) announced.remove(labels(ip));
      for (const ip of ips) if (!before.includes(ip)) announced.set(labels(ip), 1);
      if (ips.length === 0) labelled.delete(service);
      else labelled.set(service, ips);
    },
  };
}
