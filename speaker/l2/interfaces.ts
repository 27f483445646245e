import type { Link } from "../../linux/mod.ts";

/** Interfaces that never face the clients' network: MetalLB's list, and the pod side of Ironbridge itself. */
export const EXCLUDED_INTERFACES: readonly RegExp[] = [
  /^docker.*/,
  /^cbr.*/,
  /^dummy.*/,
  /^virbr.*/,
  /^lxcbr.*/,
  /^veth.*/,
  /^lo$/,
  /^cali.*/,
  /^tunl.*/,
  /^flannel.*/,
  /^kube-ipvs.*/,
  /^cni.*/,
  /^nodelocaldns.*/,
  /^lxc.*/,
  /^ib\d+$/,
];

/** True when addresses can be announced on `link` now. A member of a bridge or bond is served by its master. */
export function facesClients(link: Link): boolean {
  const usable = link.up && link.carrier && link.broadcast && !link.loopback && !link.noArp;
  return usable && link.master === undefined && !EXCLUDED_INTERFACES.some((pattern) => pattern.test(link.name));
}
