import { createHash } from "node:crypto";
import { diffMaps, isEmptyDiff } from "../../core/mod.ts";
import { ENDPOINT_SLICES, objectKey, type V1EndpointSlice, type V1Pod, type V1Service } from "../../kube/mod.ts";
import { type Cluster, controlledBy, nameOf, whenSeen } from "../cluster.ts";
import type { V1Endpoint, V1ServicePort } from "../resource.ts";
import { type KeyedController, startKeyedController } from "./keyed-controller.ts";
import { isPodFinished, isPodReady, matchesLabels } from "./pod-facts.ts";

/** As Kubernetes' own controller: no slice is larger. */
const MAX_ENDPOINTS = 100;
const MANAGED_BY = "endpointslice-controller.k8s.io";
const SERVICE_NAME_LABEL = "kubernetes.io/service-name";
const MANAGED_BY_LABEL = "endpointslice.kubernetes.io/managed-by";
const HEADLESS_LABEL = "service.kubernetes.io/headless";

type AddressType = "IPv4" | "IPv6";

/**
 * The EndpointSlices a Service should have: per address family, and per set of port numbers, because a named target port
 * may differ from pod to pod. Pure. None for Services without a selector.
 */
export function buildEndpointSlices(service: V1Service, pods: readonly V1Pod[]): V1EndpointSlice[] {
  const { selector, type, ipFamilies = ["IPv4"] } = service.spec ?? {};
  if (selector === undefined || Object.keys(selector).length === 0 || type === "ExternalName") return [];
  const chosen = pods
    .filter((pod) => matchesLabels(selector, pod.metadata?.labels) && !isPodFinished(pod))
    .sort((a, b) => objectKey(a).localeCompare(objectKey(b)));
  return (ipFamilies as AddressType[]).flatMap((family) => {
    const withAddress = chosen.filter((pod) => podAddress(pod, family) !== undefined);
    const groups = Map.groupBy(withAddress, (pod) => JSON.stringify(resolvePorts(service, pod)));
    // A Service without pods has one empty slice, as in a real cluster: it says "no endpoints" instead of nothing.
    if (groups.size === 0) return [printSlice(service, family, [], [], 0)];
    return [...groups].flatMap(([portsText, members]) => {
      const ports = JSON.parse(portsText) as V1EndpointSlice["ports"];
      const chunks = Math.ceil(members.length / MAX_ENDPOINTS);
      return Array.from({ length: chunks }, (_, i) => {
        const part = members.slice(i * MAX_ENDPOINTS, (i + 1) * MAX_ENDPOINTS);
        const endpoints = part.map((pod) => endpointOf(service, pod, family));
        return printSlice(service, family, ports ?? [], endpoints, i);
      });
    });
  });
}

/** Keeps the slices of every Service with a selector. */
export function startEndpointSliceController(cluster: Cluster, signal: AbortSignal): KeyedController {
  const controller = startKeyedController("endpoint-slice", (key) => syncSlices(cluster, key), cluster.log, signal);
  const markServicesOf = (pod: V1Pod | undefined) => {
    if (pod === undefined) return;
    for (const service of cluster.services.byIndex("namespace", pod.metadata?.namespace ?? "")) {
      if (matchesLabels(service.spec?.selector, pod.metadata?.labels)) controller.mark(objectKey(service));
    }
  };
  cluster.services.subscribe(({ key }) => controller.mark(key));
  cluster.pods.subscribe(({ before, after }) => {
    markServicesOf(before);
    markServicesOf(after);
  });
  for (const service of cluster.services.list()) controller.mark(objectKey(service));
  return controller;
}

async function syncSlices(cluster: Cluster, key: string): Promise<void> {
  const service = cluster.services.get(key);
  if (service === undefined) return; // its slices go with it: they name it as their owner
  const pods = cluster.pods.byIndex("namespace", service.metadata?.namespace ?? "");
  const current = new Map(
    cluster.slices
      .byIndex("service", key)
      .filter((slice) => slice.metadata?.labels?.[MANAGED_BY_LABEL] === MANAGED_BY)
      .map((slice) => [objectKey(slice), slice]),
  );
  const desired = new Map(buildEndpointSlices(service, pods).map((slice) => [objectKey(slice), slice]));
  const change = diffMaps(current, desired, sliceContent);
  if (isEmptyDiff(change)) return;
  for (const [sliceKey, slice] of change.set) {
    const before = current.get(sliceKey);
    const written =
      before === undefined
        ? await cluster.client.create(ENDPOINT_SLICES, slice)
        : await cluster.client.update(ENDPOINT_SLICES, slice);
    const version = written.metadata?.resourceVersion;
    await whenSeen(cluster.slices, sliceKey, (seen) => Number(seen?.metadata?.resourceVersion) >= Number(version));
  }
  for (const sliceKey of change.remove) {
    await cluster.client.delete(ENDPOINT_SLICES, nameOf(current.get(sliceKey)!));
    await whenSeen(cluster.slices, sliceKey, (seen) => seen === undefined);
  }
}

/** What a slice says, without what the API server adds to it. */
function sliceContent(slice: V1EndpointSlice): string {
  return JSON.stringify([slice.addressType, slice.metadata?.labels, slice.ports ?? [], slice.endpoints ?? []]);
}

function printSlice(
  service: V1Service,
  addressType: AddressType,
  ports: NonNullable<V1EndpointSlice["ports"]>,
  endpoints: V1Endpoint[],
  chunk: number,
): V1EndpointSlice {
  const { name = "", namespace = "", labels = {} } = service.metadata ?? {};
  const portNumbers = JSON.stringify(ports.map(({ port }) => port));
  const suffix = createHash("sha1").update(`${addressType} ${portNumbers} ${chunk}`).digest("hex").slice(0, 5);
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      name: `${name}-${suffix}`,
      namespace,
      labels: {
        ...labels,
        ...(service.spec?.clusterIP === "None" ? { [HEADLESS_LABEL]: "" } : {}),
        [MANAGED_BY_LABEL]: MANAGED_BY,
        [SERVICE_NAME_LABEL]: name,
      },
      ownerReferences: [controlledBy(service, "v1", "Service")],
    },
    addressType,
    ports,
    endpoints,
  };
}

function endpointOf(service: V1Service, pod: V1Pod, family: AddressType): V1Endpoint {
  const terminating = pod.metadata?.deletionTimestamp !== undefined;
  const serving = isPodReady(pod);
  const publish = service.spec?.publishNotReadyAddresses === true;
  const nodeName = pod.spec?.nodeName;
  const { hostname, subdomain } = pod.spec ?? {};
  return {
    addresses: [podAddress(pod, family)!],
    conditions: { ready: publish || (serving && !terminating), serving, terminating },
    ...(nodeName !== undefined ? { nodeName } : {}),
    ...(hostname !== undefined && subdomain === service.metadata?.name ? { hostname } : {}),
    targetRef: {
      kind: "Pod",
      name: pod.metadata?.name ?? "",
      namespace: pod.metadata?.namespace ?? "",
      uid: pod.metadata?.uid ?? "",
    },
  };
}

function podAddress(pod: V1Pod, family: AddressType): string | undefined {
  const all = pod.status?.podIPs?.map(({ ip }) => ip) ?? (pod.status?.podIP ? [pod.status.podIP] : []);
  return all.find((ip) => ip.includes(":") === (family === "IPv6"));
}

/** The Service's ports with the numbers they have in this pod; a name the pod has not is left out. */
function resolvePorts(service: V1Service, pod: V1Pod): NonNullable<V1EndpointSlice["ports"]> {
  return (service.spec?.ports ?? []).flatMap((port) => {
    const number = targetPort(port, pod);
    if (number === undefined) return [];
    const { appProtocol } = port;
    return [
      {
        name: port.name ?? "",
        port: number,
        protocol: port.protocol ?? "TCP",
        ...(appProtocol !== undefined ? { appProtocol } : {}),
      },
    ];
  });
}

function targetPort(port: V1ServicePort, pod: V1Pod): number | undefined {
  const target = port.targetPort ?? port.port;
  if (typeof target === "number") return target;
  const protocol = port.protocol ?? "TCP";
  return pod.spec?.containers
    .flatMap((container) => container.ports ?? [])
    .find(({ name, protocol: own = "TCP" }) => name === target && own === protocol)?.containerPort;
}
