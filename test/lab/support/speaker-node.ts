/**
 * The speaker alone, in the network namespace it is started in. Argument: SpeakerNodeOptions as JSON. Takes SpeakerOrder
 * messages and answers each with SpeakerAnswer.
 */
import type { IPAddressPool, L2Advertisement } from "../../../config/mod.ts";
import { createLog, createMetrics } from "../../../core/mod.ts";
import {
  fakeReporter,
  fakeStore,
  objectKey,
  type V1EndpointSlice,
  type V1Node,
  type V1Service,
} from "../../../kube/mod.ts";
import { type SpeakerState, startSpeaker } from "../../../speaker/mod.ts";

export interface SpeakerNodeOptions {
  readonly node: string;
  readonly nodes: readonly V1Node[];
  readonly services: readonly V1Service[];
  readonly slices: readonly V1EndpointSlice[];
  readonly pools: readonly IPAddressPool[];
  readonly l2Advertisements: readonly L2Advertisement[];
  /** MetalLB's when absent. */
  readonly excludedInterfaces?: readonly string[];
}

export type SpeakerOrder =
  | { readonly kind: "tell" }
  /** Keeps the main thread busy. */
  | { readonly kind: "block"; readonly milliseconds: number }
  /** Which Services the kernel has the rules of. */
  | { readonly kind: "program"; readonly services: readonly string[] }
  | { readonly kind: "services"; readonly services: readonly V1Service[] }
  | { readonly kind: "nodes"; readonly nodes: readonly V1Node[] }
  /** All of them: those not named are gone. */
  | { readonly kind: "l2Advertisements"; readonly l2Advertisements: readonly L2Advertisement[] }
  | { readonly kind: "slices"; readonly slices: readonly V1EndpointSlice[] };

export interface SpeakerAnswer {
  readonly ready: boolean;
  readonly state: SpeakerState;
  readonly events: readonly string[];
  readonly metrics: string;
}

const options: SpeakerNodeOptions = JSON.parse(process.argv[2]!);
const { excludedInterfaces } = options;
const stop = new AbortController();
process.on("SIGTERM", () => stop.abort());

const metrics = createMetrics();
const reporter = fakeReporter();
const slices = fakeStore<V1EndpointSlice>(options.slices, {
  service: ({ metadata }) => [`${metadata?.namespace}/${metadata?.labels?.["kubernetes.io/service-name"]}`],
});
const services = fakeStore<V1Service>(options.services);
const nodes = fakeStore<V1Node>(options.nodes);
const l2Advertisements = fakeStore<L2Advertisement>(options.l2Advertisements);
let programmed = new Set(options.services.map(({ metadata }) => `${metadata?.namespace}/${metadata?.name}`));

const speaker = startSpeaker(
  {
    node: options.node,
    nodes,
    services,
    slices,
    pools: fakeStore<IPAddressPool>(options.pools),
    l2Advertisements,
    programmed: (service) => programmed.has(service),
    reporter,
    log: createLog("speaker-node", "debug"),
    metrics,
    ...(excludedInterfaces && { excludedInterfaces }),
    members: { port: 7475, key: new Uint8Array(32).fill(9) },
  },
  stop.signal,
);

process.on("message", async (order: SpeakerOrder) => {
  if (order.kind === "block") {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, order.milliseconds);
  }
  if (order.kind === "program") {
    programmed = new Set(order.services);
    speaker.poke();
  }
  if (order.kind === "services") for (const service of order.services) services.set(service);
  if (order.kind === "nodes") for (const node of order.nodes) nodes.set(node);
  if (order.kind === "l2Advertisements") {
    for (const old of l2Advertisements.list()) l2Advertisements.remove(objectKey(old));
    for (const each of order.l2Advertisements) l2Advertisements.set(each);
  }
  if (order.kind === "slices") for (const slice of order.slices) slices.set(slice);
  const answer: SpeakerAnswer = {
    ready: speaker.ready(),
    state: speaker.state(),
    events: reporter.notes.map(({ key, type, reason, message }) => `${key} ${type} ${reason}: ${message}`),
    metrics: await metrics.metrics(),
  };
  process.send?.(answer);
});

await speaker.done;
process.disconnect();
