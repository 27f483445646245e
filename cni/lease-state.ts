import { printAddress } from "../net/mod.ts";
import { type Lease, linkOf } from "./lease-store.ts";

/** Who has which addresses, for /debug/state. */
export interface LeaseState {
  readonly addresses: readonly string[];
  /** "namespace/name"; absent where the runtime did not tell. */
  readonly pod?: string;
  readonly container: string;
  /** The pod's end of the attachment, and the node's. */
  readonly interface: string;
  readonly link: string;
  /** When it was written down, in ISO 8601. */
  readonly since?: string;
}

export function printLease(lease: Lease): LeaseState {
  const { key, pod, addresses, since } = lease;
  return {
    addresses: addresses.map(printAddress),
    ...(pod && { pod: `${pod.namespace}/${pod.name}` }),
    container: key.containerId,
    interface: key.ifname,
    link: linkOf(lease),
    ...(since && { since }),
  };
}
