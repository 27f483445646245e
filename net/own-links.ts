/** The bridge that a node's pods share. */
export const BRIDGE_NAME = "ironbr0";
/** The VXLAN that leads to the pods of other nodes. */
export const TUNNEL_NAME = "ironvx0";
/** The node's ends of pods' links. */
export const POD_LINK_NAME: RegExp = /^ib[0-9a-f]{13}$/;
/** How all names of links that the pod network makes begin, and their lengths: bridge, tunnel, pods' links and their shapers. */
export const OWN_LINK_SHAPES: readonly { readonly start: string; readonly length: number }[] = [
  { start: "ir", length: BRIDGE_NAME.length },
  { start: "ib", length: 15 },
  { start: "iq", length: 15 },
];
