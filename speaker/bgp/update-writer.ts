import {
  type Address,
  type AsnWidth,
  BGP_HEADER_LENGTH,
  type BgpAttributes,
  type BgpUpdate,
  cutNlri,
  encodeBgpAttributes,
  encodeBgpMessage,
  type Family,
  type Prefix,
} from "../../net/mod.ts";
import type { Announcement, RibChange } from "./rib-out.ts";
import { pathAttributes, type Sender } from "./route.ts";

/** How a session writes its routes. */
export interface UpdateStyle extends AsnWidth, Sender {
  /** Octets of a message. */
  readonly longestMessage: number;
  /** What routes of each family point at: one address, or a global and a link-local one. None: they can't be told. */
  readonly nextHops: Readonly<Record<Family, readonly Address[]>>;
}

/** Lengths of the two fields of an UPDATE; type, flags, length, family and reserved octet of MP_REACH_NLRI. */
const FIELDS = BGP_HEADER_LENGTH + 4;
const MP_FIELDS = 4 + 3 + 1 + 1;

/** The UPDATE messages that tell a change, as few as hold it. Withdrawn routes come first, to make room at the peer. */
export function writeUpdates(change: RibChange, style: UpdateStyle): Uint8Array[] {
  const updates = [
    ...withdrawals("ipv4", change.withdraw.ipv4, style),
    ...withdrawals("ipv6", change.withdraw.ipv6, style),
    ...change.announce.flatMap((announcement) => announcements(announcement, style)),
  ];
  return updates.map((update) => encodeBgpMessage({ type: "update", update }, style));
}

function withdrawals(family: Family, prefixes: readonly Prefix[], { longestMessage }: UpdateStyle): BgpUpdate[] {
  const runs = cutNlri(prefixes, longestMessage - FIELDS - MP_FIELDS);
  return runs.map((run) =>
    family === "ipv4"
      ? { withdrawn: run, attributes: {}, announced: [] }
      : { withdrawn: [], attributes: { unreach: { family, prefixes: run } }, announced: [] },
  );
}

function announcements({ family, attributes, prefixes }: Announcement, style: UpdateStyle): BgpUpdate[] {
  const nextHops = style.nextHops[family];
  const [nextHop] = nextHops;
  if (nextHop === undefined) return [];
  const path = pathAttributes(attributes, style);
  const plain = family === "ipv4" && nextHop.family === "ipv4";
  const fixed = encodeBgpAttributes(plain ? { ...path, nextHop } : path, style).length;
  const nextHopOctets = nextHops.length * 16;
  const room = style.longestMessage - FIELDS - fixed - (plain ? 0 : MP_FIELDS + nextHopOctets);
  return cutNlri(prefixes, room).map((run): BgpUpdate => {
    if (plain) return { withdrawn: [], attributes: { ...path, nextHop }, announced: run };
    const reached: BgpAttributes = { ...path, reach: { family, nextHops, prefixes: run } };
    return { withdrawn: [], attributes: reached, announced: [] };
  });
}
