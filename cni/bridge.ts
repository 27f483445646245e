import { IronbridgeError } from "../core/mod.ts";
import type { LinkAddress, Rtnetlink } from "../linux/mod.ts";
import {
  type Address,
  BRIDGE_NAME,
  compareAddresses,
  isLinkLocal,
  type Prefix,
  prefixContains,
  prefixOf,
  sameAddress,
} from "../net/mod.ts";
import { AddressPool } from "./address-pool.ts";
import { macOf } from "./attachment.ts";
import { type Lease, linkOf } from "./lease-store.ts";

/** The bridge that the node's pods share. */
export interface Bridge {
  readonly index: number;
  readonly mac: Uint8Array;
  /** Octets, of the bridge and of every pod's interface. */
  readonly mtu: number;
}

/** The pods' gateway of each prefix. */
export function gatewaysOf(prefixes: readonly Prefix[]): { readonly address: Address; readonly length: number }[] {
  return prefixes.map((prefix) => ({ address: new AddressPool(prefix).gateway, length: prefix.length }));
}

/**
 * Makes the bridge, its gateway addresses and its ports what they should be. Gateways of earlier prefixes stay as long
 * as a pod has an address beside them.
 * @throws {IronbridgeError} IB_KERNEL_REFUSED, also when another kind of interface has the bridge's name.
 */
export function applyBridge(
  kernel: Rtnetlink,
  desired: { readonly prefixes: readonly Prefix[]; readonly mtu: number; readonly leases: readonly Lease[] },
): Bridge {
  const gateways = gatewaysOf(desired.prefixes);
  const main = [...gateways].sort((a, b) => compareAddresses(a.address, b.address))[0]!;
  // A MAC address given at creation stays; one taken from a port would change as pods come and go.
  const index =
    existingBridge(kernel) ?? kernel.createBridge({ name: BRIDGE_NAME, mac: macOf(main.address), mtu: desired.mtu });
  const link = kernel.link(BRIDGE_NAME)!;
  if (link.mtu !== desired.mtu || !link.up) kernel.setLink(index, { up: true, mtu: desired.mtu });
  applyGateways(kernel, index, gateways, desired.leases);
  applyPorts(kernel, index, desired.leases);
  return { index, mac: link.mac, mtu: desired.mtu };
}

function existingBridge(kernel: Rtnetlink): number | undefined {
  const link = kernel.link(BRIDGE_NAME);
  if (link === undefined || link.kind === "bridge") return link?.index;
  const message = `the interface ${BRIDGE_NAME} is a ${link.kind ?? "device"}, not a bridge; rename or remove it`;
  throw new IronbridgeError("IB_KERNEL_REFUSED", message);
}

function applyGateways(
  kernel: Rtnetlink,
  ifindex: number,
  gateways: readonly { readonly address: Address; readonly length: number }[],
  leases: readonly Lease[],
): void {
  const present = kernel.addresses().filter((entry) => entry.ifindex === ifindex);
  for (const gateway of gateways) {
    if (!present.some((entry) => isSame(entry, gateway))) kernel.addAddress({ ifindex, ...gateway });
  }
  for (const entry of present) {
    const prefix = prefixOf(entry.address, entry.length);
    const needed = isLinkLocal(entry.address) || gateways.some((gateway) => isSame(entry, gateway));
    const inUse = leases.some((lease) => lease.addresses.some((address) => prefixContains(prefix, address)));
    if (!needed && !inUse) kernel.deleteAddress(entry);
  }
}

/** Pods outlive a bridge that somebody removed: their ends are put into the new one. */
function applyPorts(kernel: Rtnetlink, index: number, leases: readonly Lease[]): void {
  const links = new Map(kernel.links().map((link) => [link.name, link]));
  for (const lease of leases) {
    const link = links.get(linkOf(lease));
    if (link === undefined || lease.chained || (link.master === index && link.up)) continue;
    kernel.setLink(link.index, { master: index, hairpin: true, up: true });
  }
}

function isSame(entry: LinkAddress, gateway: { readonly address: Address; readonly length: number }): boolean {
  return sameAddress(entry.address, gateway.address) && entry.length === gateway.length;
}
