import { Counter, Gauge, type Metrics } from "../core/mod.ts";

/** MetalLB's own names, so that existing dashboards and alerts keep working. */
export function speakerMetrics(registry: Metrics) {
  const registers = [registry];
  return {
    announced: new Gauge({
      name: "metallb_speaker_announced",
      help: "Services being announced from this node",
      labelNames: ["service", "protocol", "node", "ip"],
      registers,
    }),
    requests: new Counter({
      name: "metallb_layer2_requests_received",
      help: "ARP and NDP requests received for addresses this node answers for",
      labelNames: ["ip"],
      registers,
    }),
    responses: new Counter({
      name: "metallb_layer2_responses_sent",
      help: "ARP and NDP answers sent",
      labelNames: ["ip"],
      registers,
    }),
    gratuitous: new Counter({
      name: "metallb_layer2_gratuitous_sent",
      help: "Gratuitous ARP and unsolicited NDP frames sent",
      labelNames: ["ip"],
      registers,
    }),
  };
}

export type SpeakerMetrics = ReturnType<typeof speakerMetrics>;
