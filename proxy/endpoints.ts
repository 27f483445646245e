import type { V1EndpointSlice } from "../kube/mod.ts";
import type { Family } from "../net/mod.ts";
import { canonicalAddress } from "./canonical.ts";
import type { Protocol, Target } from "./service-port.ts";

/** This node, as far as choosing endpoints depends on it. */
export interface Place {
  readonly node: string;
  /** Label topology.kubernetes.io/zone of the node. */
  readonly zone?: string;
}

/** One endpoint of one Service port, merged from all slices that name it. */
export interface Endpoint extends Target {
  /** "" when nobody knows. */
  readonly nodeName: string;
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  readonly zoneHints: readonly string[];
  readonly nodeHints: readonly string[];
}

export interface PortSelector {
  readonly family: Family;
  /** "" for the only port of a Service. */
  readonly name: string;
  readonly protocol: Protocol;
}

export interface Selection {
  readonly cluster: readonly Target[];
  readonly local: readonly Target[];
}

/**
 * The endpoints of one Service port over all its slices, in the order of "address:port".
 * An address named by several slices counts once, in the best state that any of them gives it: pods move between slices
 * and must not blink meanwhile.
 */
export function mergeEndpoints(slices: readonly V1EndpointSlice[], port: PortSelector, place: Place): Endpoint[] {
  const merged = new Map<string, Endpoint>();
  for (const slice of slices) {
    if (slice.addressType !== (port.family === "ipv4" ? "IPv4" : "IPv6")) continue;
    for (const number of portNumbers(slice, port)) {
      for (const endpoint of endpointsOnPort(slice, number, port.family, place)) {
        const key = `${endpoint.address}:${endpoint.port}`;
        const known = merged.get(key);
        if (known === undefined || usefulness(known) < usefulness(endpoint)) merged.set(key, endpoint);
      }
    }
  }
  const keys = [...merged.keys()].sort();
  return keys.map((key) => merged.get(key)!);
}

/**
 * Which endpoints each traffic policy uses on this node.
 * Cluster: the ready ones, those near by if their hints say so; with none ready, those that terminate but still serve.
 * Local: the same among the endpoints of this node, without hints. The two fall back independently of each other.
 *
 * @see KEP-1669 (terminating endpoints), KEP-2433 (topology hints), KEP-3015 (same node, same zone)
 */
export function selectEndpoints(endpoints: readonly Endpoint[], place: Place): Selection {
  const onNode = endpoints.filter((endpoint) => endpoint.nodeName === place.node);
  return {
    cluster: toTargets(usable(endpoints, (ready) => preferNear(ready, place))),
    local: toTargets(usable(onNode, (ready) => ready)),
  };
}

function usable(
  endpoints: readonly Endpoint[],
  narrow: (ready: readonly Endpoint[]) => readonly Endpoint[],
): readonly Endpoint[] {
  const ready = endpoints.filter((endpoint) => endpoint.ready);
  if (ready.length > 0) return narrow(ready);
  return endpoints.filter((endpoint) => endpoint.serving && endpoint.terminating);
}

/** Hints count only when every ready endpoint has them and one of them names this place. */
function preferNear(ready: readonly Endpoint[], { node, zone }: Place): readonly Endpoint[] {
  const sameNode = ready.filter((endpoint) => endpoint.nodeHints.includes(node));
  if (sameNode.length > 0 && ready.every((endpoint) => endpoint.nodeHints.length > 0)) return sameNode;
  const sameZone = ready.filter((endpoint) => zone !== undefined && endpoint.zoneHints.includes(zone));
  if (sameZone.length > 0 && ready.every((endpoint) => endpoint.zoneHints.length > 0)) return sameZone;
  return ready;
}

function usefulness(endpoint: Endpoint): number {
  if (endpoint.ready) return endpoint.terminating ? 2 : 3;
  return endpoint.serving ? 1 : 0;
}

function portNumbers(slice: V1EndpointSlice, wanted: PortSelector): number[] {
  return (slice.ports ?? [])
    .filter((port) => (port.name ?? "") === wanted.name)
    .filter((port) => (port.protocol ?? "TCP").toLowerCase() === wanted.protocol)
    .map((port) => port.port ?? 0)
    .filter((number) => number > 0);
}

const NO_HINTS: readonly string[] = [];

function endpointsOnPort(slice: V1EndpointSlice, port: number, family: Family, place: Place): Endpoint[] {
  return (slice.endpoints ?? []).flatMap(({ addresses, conditions, nodeName, hints }) => {
    // Only the first address counts: the API says that all of them are the same endpoint.
    const address = canonicalAddress(addresses[0] ?? "", family);
    if (address === undefined) return [];
    return [
      {
        address,
        port,
        near: nodeName === undefined || nodeName === place.node,
        nodeName: nodeName ?? "",
        ready: conditions?.ready ?? true,
        serving: conditions?.serving ?? true,
        terminating: conditions?.terminating ?? false,
        zoneHints: hints?.forZones?.map((zone) => zone.name) ?? NO_HINTS,
        nodeHints: hints?.forNodes?.map((node) => node.name) ?? NO_HINTS,
      },
    ];
  });
}

/** The targets with their shares. Endpoints without any share get connections only when no other is left. */
function toTargets(endpoints: readonly Endpoint[]): Target[] {
  const sharing = endpoints.filter(({ weight = 1 }) => weight > 0);
  const chosen = sharing.length > 0 ? sharing : endpoints.map((endpoint) => ({ ...endpoint, weight: 1 }));
  return chosen.map(({ address, port, near, weight = 1 }) =>
    weight === 1 ? { address, port, near } : { address, port, near, weight },
  );
}
