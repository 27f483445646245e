import { ANNOTATION, annotationKey } from "../config/mod.ts";
import { type Address, printAddress } from "../net/mod.ts";

/** A Service as the holder of addresses: what decides whether others may hold the same ones. */
export interface Tenant {
  /** "namespace/name" of the Service. */
  readonly owner: string;
  /** From the annotation allow-shared-ip; "" does not share. */
  readonly sharingKey: string;
  /** What traffic must reach: "" for externalTrafficPolicy Cluster, the selector for Local. */
  readonly backendKey: string;
  /** "TCP/80" and so on. */
  readonly ports: readonly string[];
}

export function sameTenant(a: Tenant, b: Tenant): boolean {
  return (
    a.owner === b.owner &&
    a.sharingKey === b.sharingKey &&
    a.backendKey === b.backendKey &&
    a.ports.length === b.ports.length &&
    a.ports.every((port, i) => port === b.ports[i])
  );
}

/**
 * Why `tenant` can't hold `address` together with those who hold it already; undefined when it can.
 * Sharing needs equal keys that are not empty, equal backends, and no port in common; the namespace does not matter.
 */
export function sharingConflict(tenant: Tenant, holders: readonly Tenant[], address: Address): string | undefined {
  const others = holders.filter(({ owner }) => owner !== tenant.owner);
  const details = others.flatMap((other) => mismatch(tenant, other) ?? []).sort();
  if (details.length > 0) {
    const owners = others
      .map(({ owner }) => owner)
      .sort()
      .join(","); // in one order, whoever came first
    return `can't change sharing key for "${tenant.owner}", address also in use by ${owners}: ${details[0]}`;
  }
  const port = tenant.ports.find((each) => others.some(({ ports }) => ports.includes(each)));
  return port === undefined ? undefined : `port ${port} is already in use on "${printAddress(address)}"`;
}

function mismatch(a: Tenant, b: Tenant): string | undefined {
  for (const { owner, sharingKey } of [a, b]) {
    if (sharingKey === "") return `${owner} has no annotation ${annotationKey(ANNOTATION.allowSharedIp)}`;
  }
  if (a.sharingKey !== b.sharingKey) return `the sharing keys "${a.sharingKey}" and "${b.sharingKey}" differ`;
  if (a.backendKey !== b.backendKey) {
    return "they don't send traffic to the same pods (externalTrafficPolicy, or the selectors under policy Local)";
  }
  return undefined;
}
