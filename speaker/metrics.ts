import { Counter, Gauge, Histogram, type Metrics } from "../core/mod.ts";

const ANNOUNCED = "metallb_speaker_announced";

/** The metric that both protocols write, each its own labels: one per registry, whoever asks first. */
export function announcedGauge(registry: Metrics): Gauge {
  const known = registry.getSingleMetric(ANNOUNCED);
  if (known instanceof Gauge) return known;
  const labelNames = ["service", "protocol", "node", "ip"];
  return new Gauge({
    name: ANNOUNCED,
    help: "Services being announced from this node",
    labelNames,
    registers: [registry],
  });
}

const CONFIG_STALE = "metallb_k8s_client_config_stale_bool";

/** 1 while either protocol finds a mistake in the configuration: both write it. */
export class StaleGauge extends Gauge {
  readonly #mistaken = new Set<"layer2" | "bgp">();

  /** @param problems What is wrong with the part of the configuration that the protocol uses. */
  note(protocol: "layer2" | "bgp", problems: readonly string[]): void {
    if (problems.length > 0) this.#mistaken.add(protocol);
    else this.#mistaken.delete(protocol);
    this.set(this.#mistaken.size > 0 ? 1 : 0);
  }
}

/** The one of the registry, whoever asks first. */
export function staleGauge(registry: Metrics): StaleGauge {
  const known = registry.getSingleMetric(CONFIG_STALE);
  if (known instanceof StaleGauge) return known;
  const help = "1 if an object of the configuration holds a mistake, or waits for another object";
  return new StaleGauge({ name: CONFIG_STALE, help, registers: [registry] });
}

/** Names with `metallb_` are MetalLB's own, so that existing dashboards and alerts keep working. */
export function speakerMetrics(registry: Metrics) {
  const registers = [registry];
  return {
    announced: announcedGauge(registry),
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
    updates: new Counter({
      name: "metallb_k8s_client_updates_total",
      help: "Changes of the cluster that the speaker has worked through",
      registers,
    }),
    updateErrors: new Counter({
      name: "metallb_k8s_client_update_errors_total",
      help: "Changes of the cluster that the speaker failed to work through",
      registers,
    }),
    configLoaded: new Gauge({
      name: "metallb_k8s_client_config_loaded_bool",
      help: "1 if pools and advertisements were read at least once",
      registers,
    }),
    configStale: staleGauge(registry),
    takes: new Counter({
      name: "ironbridge_l2_takeovers_total",
      help: "Addresses this node began to announce, by why: free, handedOver, holderLost, taken",
      labelNames: ["reason"],
      registers,
    }),
    detection: new Histogram({
      name: "ironbridge_l2_detection_seconds",
      help: "Time from the last heartbeat of a member until it was given up",
      buckets: [0.2, 0.3, 0.4, 0.5, 1, 2, 5, 30],
      registers,
    }),
    members: new Gauge({
      name: "ironbridge_members",
      help: "Other speakers, by how far they can be reached: alive, returning, deaf, restarting, lost",
      labelNames: ["reach"],
      registers,
    }),
    strange: new Counter({
      name: "ironbridge_members_strange_datagrams_total",
      help: "Heartbeats sealed with a key that is not ours",
      registers,
    }),
    duplicates: new Counter({
      name: "ironbridge_l2_duplicate_addresses_total",
      help: "Times another host was met that uses an address this node announces",
      labelNames: ["ip"],
      registers,
    }),
  };
}

export type SpeakerMetrics = ReturnType<typeof speakerMetrics>;
