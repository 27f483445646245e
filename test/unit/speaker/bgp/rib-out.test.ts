import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  BgpFramer,
  decodeBgpMessage,
  type Family,
  parseAddress,
  parsePrefix,
  printPrefix,
} from "../../../../net/mod.ts";
import { type RibChange, RibOut } from "../../../../speaker/bgp/rib-out.ts";
import { attributesFor, type Offer, type RouteAttributes } from "../../../../speaker/bgp/route.ts";
import { type UpdateStyle, writeUpdates } from "../../../../speaker/bgp/update-writer.ts";

const BOTH: readonly Family[] = ["ipv4", "ipv6"];
const plain: RouteAttributes = {
  localPref: 0,
  communities: [],
  largeCommunities: [],
  drained: false,
  prepend: 0,
};
const style: UpdateStyle = {
  asn: 64513,
  internal: false,
  leaving: false,
  fourOctetAsn: true,
  longestMessage: 4096,
  nextHops: { ipv4: [parseAddress("192.0.2.1")], ipv6: [parseAddress("2001:db8::1")] },
};

/** A peer that reads what it is sent. */
function listener() {
  const routes = new Map<string, string>();
  return {
    routes,
    hear: (messages: readonly Uint8Array[]) => {
      const framer = new BgpFramer();
      for (const message of messages) {
        framer.push(message);
        const decoded = decodeBgpMessage(framer.next()!, style);
        if (decoded.type !== "update") throw new Error("not an UPDATE");
        const { withdrawn, announced, attributes, malformed } = decoded.update;
        if (malformed !== undefined) throw new Error(malformed);
        for (const prefix of [...withdrawn, ...(attributes.unreach?.prefixes ?? [])])
          routes.delete(printPrefix(prefix));
        const text = (attributes.communities ?? []).join();
        for (const prefix of [...announced, ...(attributes.reach?.prefixes ?? [])])
          routes.set(printPrefix(prefix), text);
      }
    },
  };
}

describe("RibOut", () => {
  const key = fc.constantFrom("10.0.0.1/32", "10.0.0.2/32", "10.0.0.0/24", "2001:db8::1/128", "2001:db8::/64");
  const step = fc.record({
    key,
    community: fc.option(fc.integer({ min: 0, max: 3 })),
    flush: fc.boolean(),
    reset: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
  });

  test("tells the peer exactly what it should know, whatever the order of changes", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const rib = new RibOut();
        let peer = listener();
        const wanted = new Map<string, string>();
        for (const { key, community, flush, reset } of steps) {
          const attributes = community === null ? undefined : { ...plain, communities: [community] };
          rib.set(key, parsePrefix(key), attributes);
          if (community === null) wanted.delete(key);
          else wanted.set(key, String(community));
          if (reset) {
            rib.reset();
            peer = listener();
          }
          if (flush) peer.hear(writeUpdates(rib.take(BOTH, 2), style).messages);
        }
        while (rib.pending > 0) peer.hear(writeUpdates(rib.take(BOTH, 2), style).messages);
        expect([...peer.routes].sort()).toEqual([...wanted].sort());
        expect(rib.told).toBe(wanted.size);
      }),
    );
  });

  test("says nothing of a change that was taken back before it was told", () => {
    const rib = new RibOut();
    rib.set("10.0.0.1/32", parsePrefix("10.0.0.1/32"), plain);
    rib.take(BOTH, 10);
    rib.set("10.0.0.1/32", parsePrefix("10.0.0.1/32"), { ...plain, prepend: 1 });
    rib.set("10.0.0.1/32", parsePrefix("10.0.0.1/32"), { ...plain });
    expect(rib.pending).toBe(0);
  });

  test("tells a route again when it is drained, and when it no longer is", () => {
    const rib = new RibOut();
    const told = [true, false, false].map((drained) => {
      rib.set("10.0.0.1/32", parsePrefix("10.0.0.1/32"), { ...plain, localPref: 50, drained });
      return rib.take(BOTH, 10).announce.map(({ attributes }) => attributes.drained);
    });
    expect(told).toEqual([[true], [false], []]);
  });

  test("packs 10,000 routes of equal attributes into few messages, none longer than agreed", () => {
    const rib = new RibOut();
    for (let i = 0; i < 10_000; i++) {
      const key = `10.${i >> 8}.${i & 255}.0/24`;
      rib.set(key, parsePrefix(key), plain);
    }
    const { messages } = writeUpdates(rib.take(BOTH, 10_000), style);
    expect(messages.length).toBe(10);
    expect(Math.max(...messages.map(({ length }) => length))).toBeLessThanOrEqual(4096);
  });

  test("keeps routes of a family that the session lacks to itself", () => {
    const rib = new RibOut();
    rib.set("2001:db8::1/128", parsePrefix("2001:db8::1/128"), plain);
    expect(rib.take(["ipv4"], 10).announce).toEqual([]);
    expect(rib.told).toBe(0);
  });
});

describe("attributesFor()", () => {
  const offer = (more: Partial<Offer>): Offer => ({ ...plain, advertisement: "ns/all", peers: "all", ...more });

  test("gives each peer the communities of the offers made to it", () => {
    const offers = [offer({ peers: ["a"], communities: [2] }), offer({ peers: ["b"], communities: [3] })];
    expect(attributesFor(offers, "a")?.communities).toEqual([2]);
    expect(attributesFor(offers, "b")?.communities).toEqual([3]);
    expect(attributesFor(offers, "c")).toBeUndefined();
  });

  test("adds up the communities of several offers, each once", () => {
    const offers = [offer({ communities: [5, 1] }), offer({ communities: [1, 3], localPref: 200 })];
    expect(attributesFor(offers, "a")).toMatchObject({ communities: [1, 3, 5], localPref: 200 });
  });

  test("a route that one of its offers drains is drained", () => {
    const offers = [offer({ localPref: 200 }), offer({ drained: true })];
    expect(attributesFor(offers, "a")).toMatchObject({ drained: true, localPref: 200 });
    expect(attributesFor(offers.slice(0, 1), "a")).toMatchObject({ drained: false });
  });
});

describe("writeUpdates()", () => {
  const routes = [
    { family: "ipv4" as const, attributes: { ...plain, localPref: 200 }, prefixes: [parsePrefix("10.0.0.1/32")] },
  ];
  const change = { withdraw: { ipv4: [], ipv6: [] }, announce: routes };
  const read = (more: Partial<UpdateStyle>, announce: RibChange["announce"] = routes) => {
    const {
      messages: [message],
    } = writeUpdates({ ...change, announce }, { ...style, ...more });
    const decoded = decodeBgpMessage(message!, { ...style, ...more });
    return decoded.type === "update" ? decoded.update.attributes : undefined;
  };

  test("tells LOCAL_PREF inside the autonomous system only, with an empty path there", () => {
    expect(read({})).toMatchObject({ asPath: [{ type: 2, asns: [64513] }] });
    expect(read({})?.localPref).toBeUndefined();
    expect(read({ internal: true })).toMatchObject({ asPath: [], localPref: 200 });
  });

  test("asks for other ways when the node is about to stop", () => {
    expect(read({ internal: true, leaving: true })).toMatchObject({ localPref: 0, communities: [0xffff0000] });
  });

  test.each([0, 50, 200])("asks for other ways than a drained route of preference %d", (localPref) => {
    const drained = routes.map((route) => ({ ...route, attributes: { ...plain, localPref, drained: true } }));
    for (const leaving of [false, true]) {
      const internal = read({ internal: true, leaving }, drained);
      expect([internal?.localPref, internal?.communities]).toEqual([0, [0xffff0000]]);
      const external = read({ leaving }, drained);
      expect([external?.localPref, external?.communities]).toEqual([undefined, [0xffff0000]]);
    }
  });

  test("withdraws a route whose attributes leave no room for it, unless longer messages are agreed on", () => {
    const communities = Array.from({ length: 1015 }, (_, i) => i);
    for (const [family, text] of [
      ["ipv4", "10.0.0.1/32"],
      ["ipv6", "2001:db8::1/128"],
    ] as const) {
      const prefixes = [parsePrefix(text)];
      const long = { ...change, announce: [{ family, attributes: { ...plain, communities }, prefixes }] };
      const peer = listener();
      peer.routes.set(text, "");
      const { messages, tooLong } = writeUpdates(long, style);
      peer.hear(messages);
      expect(tooLong).toEqual(prefixes);
      expect([...peer.routes]).toEqual([]);
      const extended = writeUpdates(long, { ...style, longestMessage: 65_535 });
      expect(extended.tooLong).toEqual([]);
      expect(extended.messages.map(({ length }) => length > 4096)).toEqual([true]);
    }
  });

  test("tells IPv4 routes by an IPv6 next hop where there is no other", () => {
    const nextHops = { ipv4: [parseAddress("fe80::1")], ipv6: [] };
    expect(read({ nextHops })?.reach).toMatchObject({ family: "ipv4", nextHops: nextHops.ipv4 });
  });
});
