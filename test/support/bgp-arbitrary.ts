import fc from "fast-check";
import {
  type Address,
  addressFromBytes,
  type BgpAttributes,
  type BgpCapability,
  type BgpMessage,
  type Family,
  type Prefix,
  prefixOf,
} from "../../net/mod.ts";

/** Messages of every kind, as a speaker would send them. */

const uint16 = fc.integer({ min: 0, max: 0xffff });
const uint32 = fc.integer({ min: 0, max: 0xffff_ffff });
const asn = fc.integer({ min: 1, max: 0xffff_ffff });

export function addressOf(family: Family): fc.Arbitrary<Address> {
  const octets = family === "ipv4" ? 4 : 16;
  return fc.uint8Array({ minLength: octets, maxLength: octets }).map(addressFromBytes);
}

export function prefixesOf(family: Family, maxLength = 40): fc.Arbitrary<Prefix[]> {
  const bits = fc.integer({ min: 0, max: family === "ipv4" ? 32 : 128 });
  const prefix = fc.tuple(addressOf(family), bits).map(([address, length]) => prefixOf(address, length));
  return fc.array(prefix, { maxLength });
}

const families = fc.constantFrom<Family>("ipv4", "ipv6");
const capability: fc.Arbitrary<BgpCapability> = fc.oneof(
  fc.record({ kind: fc.constant("multiprotocol" as const), afi: uint16, safi: fc.integer({ min: 0, max: 255 }) }),
  fc.constantFrom<BgpCapability>(
    { kind: "routeRefresh" },
    { kind: "extendedMessage" },
    { kind: "enhancedRouteRefresh" },
  ),
  fc.record({ kind: fc.constant("fourOctetAsn" as const), asn }),
  fc.record({
    kind: fc.constant("extendedNextHop" as const),
    entries: fc.array(fc.record({ afi: uint16, safi: uint16, nextHopAfi: uint16 }), { maxLength: 3 }),
  }),
  fc.record({
    kind: fc.constant("gracefulRestart" as const),
    restarted: fc.boolean(),
    notification: fc.boolean(),
    restartTime: fc.integer({ min: 0, max: 4095 }),
    families: fc.array(fc.record({ afi: uint16, safi: fc.integer({ min: 0, max: 255 }), preserved: fc.boolean() }), {
      maxLength: 3,
    }),
  }),
  fc.record({
    kind: fc.constant("unknown" as const),
    code: fc.integer({ min: 128, max: 255 }),
    value: fc.uint8Array({ maxLength: 60 }),
  }),
);

const open: fc.Arbitrary<BgpMessage> = fc
  .record({
    asn,
    holdTime: fc.oneof(fc.constant(0), fc.integer({ min: 3, max: 0xffff })),
    routerId: fc.integer({ min: 1, max: 0xffff_ffff }),
    capabilities: fc.array(capability, { maxLength: 12 }),
  })
  .map((each) => {
    const others = each.capabilities.filter(({ kind }) => kind !== "fourOctetAsn");
    return {
      type: "open",
      open: { ...each, capabilities: [...others, { kind: "fourOctetAsn", asn: each.asn }] },
    };
  });

const path = fc.array(fc.record({ type: fc.constantFrom(1, 2), asns: fc.array(asn, { minLength: 1, maxLength: 5 }) }), {
  maxLength: 3,
});
const reach = families.chain((family) =>
  fc.record({
    family: fc.constant(family),
    nextHops: fc.oneof(
      fc.array(addressOf("ipv6"), { minLength: 1, maxLength: 2 }),
      fc.array(addressOf("ipv4"), { minLength: 1, maxLength: 1 }),
    ),
    prefixes: prefixesOf(family),
  }),
);
const unreach = families.chain((family) => fc.record({ family: fc.constant(family), prefixes: prefixesOf(family) }));
const numbers = fc.array(uint32, { minLength: 1, maxLength: 70 });
const optional = fc.record(
  {
    med: uint32,
    localPref: uint32,
    atomicAggregate: fc.constant(true as const),
    communities: numbers,
    largeCommunities: fc.array(fc.tuple(uint32, uint32, uint32), { minLength: 1, maxLength: 30 }),
    originatorId: uint32,
    clusterList: numbers,
    reach,
    unreach,
    others: fc.uniqueArray(
      fc.record({
        flags: fc.constantFrom(0x80, 0xc0, 0xe0),
        type: fc.integer({ min: 40, max: 255 }),
        value: fc.uint8Array({ maxLength: 300 }),
      }),
      { minLength: 1, maxLength: 3, selector: ({ type }) => type },
    ),
  },
  { requiredKeys: [] },
);
const mandatory = fc.record({
  origin: fc.integer({ min: 0, max: 2 }),
  asPath: path,
  nextHop: addressOf("ipv4"),
});
export const attributes: fc.Arbitrary<BgpAttributes> = fc
  .tuple(mandatory, optional)
  .map(([one, other]) => ({ ...one, ...other }));

const update: fc.Arbitrary<BgpMessage> = fc
  .record({ withdrawn: prefixesOf("ipv4"), attributes, announced: prefixesOf("ipv4") })
  .map((each) => ({ type: "update", update: each }));

const notification: fc.Arbitrary<BgpMessage> = fc
  .record({
    code: fc.integer({ min: 0, max: 255 }),
    subcode: fc.integer({ min: 0, max: 255 }),
    data: fc.uint8Array({ maxLength: 60 }),
  })
  .map((each) => ({ type: "notification", notification: each }));

const refresh: fc.Arbitrary<BgpMessage> = fc
  .record({ afi: uint16, subtype: fc.integer({ min: 0, max: 255 }), safi: fc.integer({ min: 0, max: 255 }) })
  .map((each) => ({ type: "routeRefresh", refresh: each }));

export const bgpMessage: fc.Arbitrary<BgpMessage> = fc.oneof(
  open,
  { weight: 3, arbitrary: update },
  notification,
  fc.constant<BgpMessage>({ type: "keepalive" }),
  refresh,
);
