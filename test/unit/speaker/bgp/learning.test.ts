import { beforeEach, describe, expect, test } from "vitest";
import { type FakeClock, fakeClock } from "../../../../core/mod.ts";
import {
  type Address,
  type BgpUpdate,
  CeaseError,
  ceaseWith,
  endOfRib,
  parseAddress,
  parsePrefix,
  printAddress,
} from "../../../../net/mod.ts";
import type { Agreement } from "../../../../speaker/bgp/agreement.ts";
import { Learning } from "../../../../speaker/bgp/learning.ts";
import { bestRoutes, MOST_HEARD } from "../../../../speaker/bgp/rib-in.ts";

const WITHIN = [parsePrefix("10.244.0.0/16"), parsePrefix("2001:db8:244::/48")];
const SELF = { asn: 64513, routerId: 7 };
const AGREED: Agreement = {
  peerAsn: 64513,
  peerRouterId: 9,
  internal: true,
  holdTime: 90_000,
  keepaliveTime: 30_000,
  families: ["ipv4", "ipv6"],
  fourOctetAsn: true,
  longestMessage: 4096,
  enhancedRefresh: false,
  extendedNextHop: false,
  keepsRoutes: false,
};
const RESTARTING: Agreement = {
  ...AGREED,
  keepsRoutes: true,
  peerRestart: { time: 60_000, notification: true, preserved: ["ipv4", "ipv6"] },
};

function told(prefix: string, more: Partial<BgpUpdate["attributes"]> = {}): BgpUpdate {
  const attributes = { origin: 0, asPath: [], nextHop: parseAddress("192.0.2.12"), ...more };
  return { withdrawn: [], attributes, announced: [parsePrefix(prefix)] };
}

let clock: FakeClock;
let learning: Learning;
let changes: number;
let overflows: number;

beforeEach(() => {
  clock = fakeClock();
  changes = 0;
  overflows = 0;
  const onOverflow = () => void overflows++;
  learning = new Learning({ clock, learnWithin: () => WITHIN, onLearned: () => void changes++, onOverflow });
});

const known = () =>
  [...learning.routes].map(({ key, way: { nextHop, device } }) =>
    [key, printAddress(nextHop), ...(device === undefined ? [] : [device])].join(" "),
  );

describe("Learning", () => {
  test("takes ways to pods, both families, and forgets what is withdrawn", () => {
    learning.start(AGREED);
    learning.hear(told("10.244.2.0/24"), SELF);
    const nextHops = [parseAddress("2001:db8::12"), parseAddress("fe80::12")];
    const reach = { family: "ipv6" as const, nextHops, prefixes: [parsePrefix("2001:db8:244:2::/64")] };
    learning.hear({ withdrawn: [], attributes: { origin: 0, asPath: [], reach }, announced: [] }, SELF);
    expect(known()).toEqual(["10.244.2.0/24 192.0.2.12", "2001:db8:244:2::/64 2001:db8::12"]);
    expect(changes).toBe(2);
    learning.hear({ withdrawn: [parsePrefix("10.244.2.0/24")], attributes: {}, announced: [] }, SELF);
    expect(known()).toEqual(["2001:db8:244:2::/64 2001:db8::12"]);
  });

  const [global, near, ipv4] = [parseAddress("2001:db8::12"), parseAddress("fe80::12"), parseAddress("192.0.2.12")];
  const nextHops: { name: string; prefix: string; told: Address[]; device?: string; want: string[] }[] = [
    {
      name: "an IPv4 prefix by an IPv6 address",
      prefix: "10.244.2.0/24",
      told: [global, near],
      want: ["2001:db8::12"],
    },
    { name: "no IPv6 prefix by an IPv4 address", prefix: "2001:db8:244:2::/64", told: [ipv4], want: [] },
    { name: "nothing by a link-local address alone", prefix: "2001:db8:244:2::/64", told: [near], want: [] },
    {
      name: "an IPv4 prefix by a link-local address and the interface of the session",
      prefix: "10.244.2.0/24",
      told: [near],
      device: "eth1",
      want: ["fe80::12 eth1"],
    },
    {
      name: "an IPv6 prefix by the link-local one of two addresses, where the session has an interface",
      prefix: "2001:db8:244:2::/64",
      told: [global, near],
      device: "eth1",
      want: ["fe80::12 eth1"],
    },
    {
      name: "a prefix by a global address where an unnumbered session tells no other",
      prefix: "2001:db8:244:2::/64",
      told: [global],
      device: "eth1",
      want: ["2001:db8::12"],
    },
  ];
  test.each(nextHops)("takes $name", ({ prefix: text, told: nextHops, device, want }) => {
    const prefix = parsePrefix(text);
    const reach = { family: prefix.family, nextHops, prefixes: [prefix] };
    const receiver = { ...SELF, ...(device === undefined ? {} : { device }) };
    learning.start(AGREED);
    learning.hear({ withdrawn: [], attributes: { origin: 0, asPath: [], reach }, announced: [] }, receiver);
    expect(known()).toEqual(want.map((way) => `${text} ${way}`));
  });

  const refused: { name: string; update: BgpUpdate }[] = [
    { name: "outside of the cluster", update: told("10.99.0.0/24") },
    { name: "shorter than the cluster's prefix", update: told("10.0.0.0/8") },
    { name: "malformed", update: { ...told("10.244.2.0/24"), malformed: "ORIGIN is missing" } },
    { name: "from this node, by way of a reflector", update: told("10.244.2.0/24", { originatorId: 7 }) },
    { name: "from this autonomous system", update: told("10.244.2.0/24", { asPath: [{ type: 2, asns: [1, 64513] }] }) },
  ];
  test.each(refused)("takes no route that is $name, and forgets the one it takes the place of", ({ update }) => {
    learning.start(AGREED);
    learning.hear(told("10.244.2.0/24"), SELF);
    const before = known();
    learning.hear(update, SELF);
    expect(known()).toEqual(update.announced[0]?.first === parsePrefix("10.244.2.0/24").first ? [] : before);
  });

  test("takes so many routes of one peer and no more, and says so once", () => {
    learning.start(AGREED);
    const many = Array.from({ length: MOST_HEARD }, (_, i) => parsePrefix(`10.244.${i >> 8}.${i & 255}/32`));
    learning.hear({ ...told("10.244.200.1/32"), announced: many }, SELF);
    expect([overflows, learning.overflowed]).toEqual([0, false]);
    for (const last of [1, 2]) learning.hear(told(`10.244.200.${last}/32`), SELF);
    expect([overflows, learning.overflowed]).toEqual([1, true]);
    expect([...learning.routes]).toHaveLength(MOST_HEARD);
    learning.hear(told("10.244.0.7/32", { localPref: 300 }), SELF);
    expect([...learning.routes].filter(({ localPref }) => localPref === 300)).toHaveLength(1);
    learning.lose();
    expect(learning.overflowed).toBe(false);
  });

  test("loses everything with the session of a peer that can't restart", () => {
    learning.start(AGREED);
    learning.hear(told("10.244.2.0/24"), SELF);
    learning.lose();
    expect(known()).toEqual([]);
  });

  test("keeps the routes of a peer that restarts, until it has told all again", () => {
    learning.start(RESTARTING);
    learning.hear(told("10.244.2.0/24"), SELF);
    learning.hear(told("10.244.3.0/24"), SELF);
    learning.lose();
    clock.advance(59_000);
    expect(known()).toHaveLength(2);
    learning.start(RESTARTING);
    clock.advance(59_000);
    learning.hear(told("10.244.3.0/24"), SELF);
    expect(known()).toHaveLength(2);
    learning.hear(endOfRib("ipv4"), SELF);
    expect(known()).toEqual(["10.244.3.0/24 192.0.2.12"]);
    expect(learning.isComplete(["ipv4"])).toBe(true);
    expect(learning.isComplete(["ipv4", "ipv6"])).toBe(false);
  });

  const ends = [
    { name: "a NOTIFICATION", end: ceaseWith(CeaseError.AdministrativeReset, ""), notification: true, kept: 1 },
    { name: "a hard reset", end: ceaseWith(CeaseError.HardReset, ""), notification: true, kept: 0 },
    {
      name: "a NOTIFICATION of RFC 4724",
      end: ceaseWith(CeaseError.AdministrativeReset, ""),
      notification: false,
      kept: 0,
    },
  ];
  test.each(ends)("keeps $kept routes after $name", ({ end, notification, kept }) => {
    learning.start({ ...RESTARTING, peerRestart: { time: 60_000, notification, preserved: ["ipv4"] } });
    learning.hear(told("10.244.2.0/24"), SELF);
    learning.lose(end);
    expect(known()).toHaveLength(kept);
  });

  test("gives up a peer that does not come back, or comes back without its forwarding state", () => {
    learning.start(RESTARTING);
    learning.hear(told("10.244.2.0/24"), SELF);
    learning.lose();
    clock.advance(60_000);
    expect(known()).toEqual([]);
    learning.start(RESTARTING);
    learning.hear(told("10.244.2.0/24"), SELF);
    learning.lose();
    learning.start({ ...RESTARTING, peerRestart: { time: 60_000, notification: true, preserved: [] } });
    expect(known()).toEqual([]);
  });
});

describe("bestRoutes()", () => {
  const prefix = parsePrefix("10.244.2.0/24");
  const route = (
    nextHop: string,
    { device, ...more }: { localPref?: number; hops?: number; device?: string } = {},
  ) => ({
    key: "10.244.2.0/24",
    prefix,
    way: { nextHop: parseAddress(nextHop), ...(device === undefined ? {} : { device }) },
    localPref: 100,
    hops: 0,
    ...more,
  });
  const best = (...all: readonly ReturnType<typeof route>[]) =>
    bestRoutes(all, []).map(({ way: { nextHop, device = "" } }) => printAddress(nextHop) + device);

  test("prefers the higher preference, then the shorter path, then the lower address", () => {
    expect(best(route("192.0.2.1"), route("192.0.2.2", { localPref: 200 }))).toEqual(["192.0.2.2"]);
    expect(best(route("192.0.2.1", { hops: 2 }), route("192.0.2.2", { hops: 1 }))).toEqual(["192.0.2.2"]);
    expect(best(route("192.0.2.2"), route("192.0.2.1"))).toEqual(["192.0.2.1"]);
    const uplinks = ["%b", "%a"].map((device) => route("fe80::1", { device }));
    expect([best(...uplinks), best(...uplinks.reverse())]).toEqual([["fe80::1%a"], ["fe80::1%a"]]);
  });

  test.each(["10.244.2.0/24", "10.244.0.0/16", "10.244.2.128/25"])(
    "leads nowhere that meets %s of this node",
    (own) => {
      expect(bestRoutes([route("192.0.2.1")], [parsePrefix(own)])).toEqual([]);
    },
  );
});
