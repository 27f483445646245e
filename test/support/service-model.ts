/**
 * What becomes of a connection to a Service, said a second time and in another way than the proxy says it: short,
 * without rules, for one connection at a time. By the tables of kube-proxy's documentation and tests.
 */
export interface ModelEndpoint {
  readonly pod: string;
  readonly onThisNode: boolean;
  readonly state: "ready" | "terminating" | "unready";
}

export interface ModelService {
  readonly internal: "Cluster" | "Local";
  readonly external: "Cluster" | "Local";
  /** Who may use the load balancer's address; absent: everybody. */
  readonly allowed?: readonly Source[];
  readonly endpoints: readonly ModelEndpoint[];
}

export type Source = "client" | "node" | "pod1";
export type Front = "cluster IP" | "load balancer" | "external IP" | "node port";

export interface Outcome {
  /** Any of these pods may answer. Empty: nobody. */
  readonly pods: readonly string[];
  /** What a client sees when nobody answers. */
  readonly without: "refused" | "silent";
  /** True when this pod sees the node instead of the client. */
  readonly masqueraded: (pod: string) => boolean;
}

export function expectedOutcome(service: ModelService, from: Source, front: Front): Outcome {
  const everywhere = usable(service.endpoints);
  const here = usable(service.endpoints.filter(({ onThisNode }) => onThisNode));
  if (front === "load balancer" && service.allowed !== undefined && !service.allowed.includes(from)) {
    return { pods: [], without: "silent", masqueraded: () => false };
  }
  const without = everywhere.length === 0 ? "refused" : "silent";
  if (front === "cluster IP") {
    const pods = service.internal === "Local" ? here : everywhere;
    return { pods, without, masqueraded: (pod) => from !== "pod1" || pod === from };
  }
  if (service.external === "Cluster") return { pods: everywhere, without, masqueraded: () => true };
  const pods = from === "client" ? here : everywhere;
  return { pods, without, masqueraded: (pod) => from === "node" || pod === from };
}

function usable(endpoints: readonly ModelEndpoint[]): readonly string[] {
  const inState = (wanted: ModelEndpoint["state"]) =>
    endpoints.filter(({ state }) => state === wanted).map(({ pod }) => pod);
  const ready = inState("ready");
  return ready.length > 0 ? ready : inState("terminating");
}
