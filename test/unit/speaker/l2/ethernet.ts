import type { Link } from "../../../../linux/mod.ts";

/** A link as most hosts have one, in the kernel's words. */
export const ETHERNET: Link = {
  index: 2,
  name: "eth0",
  mac: Uint8Array.of(2, 0, 0, 0, 0, 1),
  mtu: 1500,
  up: true,
  carrier: true,
  operational: true,
  loopback: false,
  broadcast: true,
  noArp: false,
};
