/** The bridge that a node's pods share. */
export const BRIDGE_NAME = "ironbr0";
/** The VXLAN that leads to the pods of other nodes. */
export const TUNNEL_NAME = "ironvx0";
/** The node's ends of pods' links. */
export const POD_LINK_NAME: RegExp = /^ib[0-9a-f]{13}$/;
