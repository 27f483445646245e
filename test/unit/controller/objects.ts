import { type IPAddressPool, type Pool, resolveConfig } from "../../../config/mod.ts";
import type { V1Service } from "../../../kube/mod.ts";

export interface ServiceOptions {
  readonly namespace?: string;
  readonly created?: string;
  readonly labels?: Record<string, string>;
  readonly annotations?: Record<string, string>;
  readonly spec?: V1Service["spec"];
  readonly ingress?: readonly string[];
}

/** A Service of type LoadBalancer with one IPv4 cluster IP and port 80, and what `options` change about it. */
export function service(name: string, options: ServiceOptions = {}): V1Service {
  const { namespace = "default", created = "2026-01-01T00:00:00Z", labels, annotations, spec, ingress } = options;
  return {
    metadata: {
      name,
      namespace,
      creationTimestamp: created,
      ...(labels === undefined ? {} : { labels }),
      ...(annotations === undefined ? {} : { annotations }),
    },
    spec: { type: "LoadBalancer", clusterIPs: ["10.96.0.1"], ports: [{ port: 80 }], ...spec },
    ...(ingress === undefined ? {} : { status: { loadBalancer: { ingress: ingress.map((ip) => ({ ip })) } } }),
  };
}

export const DUAL = { clusterIPs: ["10.96.0.1", "fd00:96::1"], ipFamilyPolicy: "RequireDualStack" };
export const PREFER = { clusterIPs: ["10.96.0.1", "fd00:96::1"], ipFamilyPolicy: "PreferDualStack" };
export const PREFER_SIX = { clusterIPs: ["fd00:96::1", "10.96.0.1"], ipFamilyPolicy: "PreferDualStack" };

export function poolObject(name: string, spec: IPAddressPool["spec"] | readonly string[]): IPAddressPool {
  const whole = "addresses" in spec ? spec : { addresses: [...spec] };
  return { metadata: { name, namespace: "metallb-system" }, spec: whole };
}

/** Pools by name, each a list of ranges or a whole spec. */
export function poolObjects(pools: Readonly<Record<string, IPAddressPool["spec"] | readonly string[]>>) {
  return Object.entries(pools).map(([name, spec]) => poolObject(name, spec));
}

export function poolList(pools: Readonly<Record<string, IPAddressPool["spec"] | readonly string[]>>): readonly Pool[] {
  const config = resolveConfig({ pools: poolObjects(pools), l2Advertisements: [] });
  if (config.problems.length > 0) throw new Error(config.problems[0]!.message);
  return config.pools;
}
