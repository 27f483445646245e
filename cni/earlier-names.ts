import type { Link, Rtnetlink } from "../linux/mod.ts";
import { BRIDGE_NAME, TUNNEL_NAME } from "../net/mod.ts";
import { isOwnTunnel } from "./tunnel.ts";

/** Names that the node's links had at first; the bridge's was that of the first InfiniBand interface. */
const EARLIER: readonly { readonly from: string; readonly to: string; readonly isOurs: (link: Link) => boolean }[] = [
  { from: "ib0", to: BRIDGE_NAME, isOurs: ({ kind }) => kind === "bridge" },
  { from: "ibvx0", to: TUNNEL_NAME, isOurs: isOwnTunnel },
];

/** Gives links that an earlier version made the name they have now, so that its pods stay connected. */
export function renameEarlierLinks(kernel: Pick<Rtnetlink, "link" | "setLink">): void {
  for (const { from, to, isOurs } of EARLIER) {
    const link = kernel.link(from);
    if (link === undefined || !isOurs(link) || kernel.link(to) !== undefined) continue;
    kernel.setLink(link.index, { up: false });
    kernel.setLink(link.index, { name: to });
    kernel.setLink(link.index, { up: true });
  }
}
