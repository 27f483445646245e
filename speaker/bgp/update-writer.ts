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

/** Octets of the longest prefix of a family on the wire. */
const LONGEST_NLRI = { ipv4: 5, ipv6: 17 } as const;

export interface Updates {
  readonly messages: readonly Uint8Array[];
  /** Prefixes that no message has room for beside their attributes: what the peer knew of them before is withdrawn. */
  readonly tooLong: readonly Prefix[];
}

/** The UPDATE messages that tell a change, as few as hold it. Withdrawn routes come first, to make room at the peer. */
export function writeUpdates(change: RibChange, style: UpdateStyle): Updates {
  const planned = change.announce.map((announcement) => planOf(announcement, style));
  const fitting = planned.filter(({ family, room }) => room >= LONGEST_NLRI[family]);
  const tooLong = planned.filter((plan) => !fitting.includes(plan)).flatMap(({ prefixes }) => prefixes);
  const gone = (family: Family) => [...change.withdraw[family], ...tooLong.filter((each) => each.family === family)];
  const updates = [
    ...withdrawals("ipv4", gone("ipv4"), style),
    ...withdrawals("ipv6", gone("ipv6"), style),
    ...fitting.flatMap(announcements),
  ];
  return { messages: updates.map((update) => encodeBgpMessage({ type: "update", update }, style)), tooLong };
}

function withdrawals(family: Family, prefixes: readonly Prefix[], { longestMessage }: UpdateStyle): BgpUpdate[] {
  const runs = cutNlri(prefixes, longestMessage - FIELDS - MP_FIELDS);
  return runs.map((run) =>
    family === "ipv4"
      ? { withdrawn: run, attributes: {}, announced: [] }
      : { withdrawn: [], attributes: { unreach: { family, prefixes: run } }, announced: [] },
  );
}

/** How routes with the same attributes are to be told. */
interface Plan extends Pick<Announcement, "family" | "prefixes"> {
  readonly path: BgpAttributes;
  readonly nextHops: readonly Address[];
  /** Octets that a message has for prefixes. */
  readonly room: number;
}

function planOf({ family, attributes, prefixes }: Announcement, style: UpdateStyle): Plan {
  const nextHops = style.nextHops[family];
  const path = pathAttributes(attributes, style);
  const nextHop = plainNextHop({ family, nextHops });
  const fixed = encodeBgpAttributes(nextHop === undefined ? path : { ...path, nextHop }, style).length;
  const more = nextHop === undefined ? MP_FIELDS + nextHops.length * 16 : 0;
  return { family, prefixes, path, nextHops, room: style.longestMessage - FIELDS - fixed - more };
}

/** The next hop of routes in the message's own field: IPv4 by IPv4. */
function plainNextHop({ family, nextHops: [first] }: Pick<Plan, "family" | "nextHops">): Address | undefined {
  return family === "ipv4" && first?.family === "ipv4" ? first : undefined;
}

function announcements(plan: Plan): BgpUpdate[] {
  const { family, prefixes, path, nextHops, room } = plan;
  if (nextHops.length === 0) return [];
  const nextHop = plainNextHop(plan);
  return cutNlri(prefixes, room).map((run): BgpUpdate => {
    if (nextHop !== undefined) return { withdrawn: [], attributes: { ...path, nextHop }, announced: run };
    const reached: BgpAttributes = { ...path, reach: { family, nextHops, prefixes: run } };
    return { withdrawn: [], attributes: reached, announced: [] };
  });
}
