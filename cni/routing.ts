import type { RoutingMode } from "../config/mod.ts";
import { IronbridgeError } from "../core/mod.ts";
import type { Rtnetlink } from "../linux/mod.ts";
import type { PodNetwork } from "./pod-network.ts";
import type { Routing } from "./routes.ts";
import { applyTunnel, removeTunnel, tunnelMtu } from "./tunnel.ts";
import type { Uplink } from "./uplink.ts";

/** How pods of other nodes are reached. */
export interface RoutingOptions {
  /** Name of this node. */
  readonly node: string;
  readonly routing: RoutingMode;
  /** UDP port of tunnels. */
  readonly tunnelPort: number;
}

/** Octets, where no interface tells another. */
const DEFAULT_MTU = 1500;

function hasTunnel(mode: RoutingMode): boolean {
  return mode === "vxlan" || mode === "cross-subnet";
}

/** So that no packet of a pod is too large on its way to another node. Octets. */
export function podMtu(mode: RoutingMode, uplink: Uplink | undefined): number {
  if (uplink === undefined) return DEFAULT_MTU;
  return hasTunnel(mode) ? tunnelMtu(uplink) : uplink.mtu;
}

/**
 * Makes the tunnel device, or removes it, as the mode asks.
 * @throws {IronbridgeError} IB_OPTION_INVALID when tunnels are asked for and the node's address is on no interface.
 */
export function applyRouting(
  kernel: Rtnetlink,
  { routing: mode, tunnelPort: port, node }: RoutingOptions,
  { prefixes }: PodNetwork,
  uplink: Uplink | undefined,
): Routing {
  const connected = uplink?.connected ?? [];
  if (!hasTunnel(mode)) {
    removeTunnel(kernel);
    return { mode, connected };
  }
  if (uplink === undefined) {
    const message = `no interface has an InternalIP of node ${node}, so that mode ${mode} finds no place for its tunnel`;
    throw new IronbridgeError("IB_OPTION_INVALID", message);
  }
  const ifindex = applyTunnel(kernel, { uplink, port, node, prefixes });
  return { mode, connected, tunnel: { ifindex, family: uplink.address.family } };
}
