import type { V1EndpointSlice, V1Node, V1Service } from "../kube/mod.ts";

/** What load balancers outside ask a node about one Service whose external policy is Local. */
export interface HealthCheck {
  readonly namespace: string;
  readonly name: string;
  /** Service.spec.healthCheckNodePort. */
  readonly port: number;
  /** Ready endpoints on this node; a pod with several ports counts once, one that terminates not at all. */
  readonly localEndpoints: number;
}

/** A page over HTTP. */
export interface Page {
  readonly status: 200 | 503;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** The cluster autoscaler is about to remove a node with this taint. */
const LEAVING = "ToBeDeletedByClusterAutoscaler";

/** The health check of `service` on `node`; undefined for Services that have none. */
export function healthCheckOf(
  service: V1Service,
  slices: readonly V1EndpointSlice[],
  node: string,
): HealthCheck | undefined {
  const { type, externalTrafficPolicy, healthCheckNodePort: port = 0 } = service.spec ?? {};
  if (type !== "LoadBalancer" || externalTrafficPolicy !== "Local" || port === 0) return undefined;
  const ready = slices
    .flatMap(({ endpoints = [] }) => endpoints ?? [])
    .filter(
      ({ nodeName, conditions = {} }) => nodeName === node && conditions.ready !== false && !conditions.terminating,
    )
    .map(({ addresses }) => addresses[0]);
  const { namespace = "", name = "" } = service.metadata ?? {};
  return { namespace, name, port, localEndpoints: new Set(ready).size };
}

/** kube-proxy's answer, as load balancers of cloud providers read it. */
export function healthCheckPage(check: HealthCheck, healthy: boolean): Page {
  const { namespace, name, localEndpoints } = check;
  return {
    status: healthy && localEndpoints > 0 ? 200 : 503,
    headers: { "X-Load-Balancing-Endpoint-Weight": String(localEndpoints) },
    body: JSON.stringify({ service: { namespace, name }, localEndpoints, serviceProxyHealthy: healthy }),
  };
}

/**
 * kube-proxy's /healthz and /livez. Load balancers ask the first whether new connections may come to this node, which
 * stops when the node is about to go; whoever restarts the agent asks the second (KEP-3836).
 * @param updated Milliseconds since 1970: now when healthy, else when the rules were last as the cluster says.
 */
export function nodePage(
  path: "/healthz" | "/livez",
  { healthy, eligible, now, updated }: { healthy: boolean; eligible: boolean; now: number; updated: number },
): Page {
  const isReady = path === "/livez" ? healthy : healthy && eligible;
  const facts = {
    lastUpdated: new Date(healthy ? now : updated).toISOString(),
    currentTime: new Date(now).toISOString(),
    ...(path === "/healthz" ? { nodeEligible: eligible } : {}),
  };
  return { status: isReady ? 200 : 503, headers: {}, body: JSON.stringify(facts) };
}

/** False when new connections should not come to `node` any more. A node not heard of yet is no reason. */
export function isEligible(node: V1Node | undefined): boolean {
  if (node?.metadata?.deletionTimestamp !== undefined) return false;
  return !(node?.spec?.taints ?? []).some(({ key }) => key === LEAVING);
}
