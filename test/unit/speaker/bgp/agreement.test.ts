import { describe, expect, test } from "vitest";
import { Afi, type BgpCapability, type BgpOpen, BgpRefusal } from "../../../../net/mod.ts";
import { agreeOn, type OpenSettings, openOf, survivor } from "../../../../speaker/bgp/agreement.ts";

const ours: OpenSettings = {
  asn: 64513,
  peerAsn: 64512,
  routerId: 10,
  holdTimeSeconds: 90,
  families: ["ipv4", "ipv6"],
  forwardingPreserved: true,
};
const both: readonly BgpCapability[] = [
  { kind: "multiprotocol", afi: Afi.ipv4, safi: 1 },
  { kind: "multiprotocol", afi: Afi.ipv6, safi: 1 },
];

function theirs(more: Partial<BgpOpen> = {}): BgpOpen {
  return { asn: 64512, holdTime: 180, routerId: 20, capabilities: both, ...more };
}

/** Code and subcode of the refusal, or "agreed". */
function outcome(settings: OpenSettings, open: BgpOpen): string {
  try {
    agreeOn(settings, open);
    return "agreed";
  } catch (error) {
    if (!(error instanceof BgpRefusal)) throw error;
    return `${error.notification.code}/${error.notification.subcode}`;
  }
}

describe("agreeOn()", () => {
  test("takes the shorter hold time, and a third of it between keepalives", () => {
    expect(agreeOn(ours, theirs())).toMatchObject({ holdTime: 90_000, keepaliveTime: 30_000 });
    expect(agreeOn(ours, theirs({ holdTime: 30 }))).toMatchObject({ holdTime: 30_000, keepaliveTime: 10_000 });
    expect(agreeOn({ ...ours, keepaliveSeconds: 5 }, theirs())).toMatchObject({ keepaliveTime: 5000 });
    expect(agreeOn(ours, theirs({ holdTime: 0 }))).toMatchObject({ holdTime: 0 });
  });

  test("takes the families of both, and IPv4 of a peer that names none", () => {
    expect(agreeOn(ours, theirs()).families).toEqual(["ipv4", "ipv6"]);
    expect(agreeOn(ours, theirs({ capabilities: both.slice(1) })).families).toEqual(["ipv6"]);
    expect(agreeOn(ours, theirs({ capabilities: [] })).families).toEqual(["ipv4"]);
  });

  const cases: { name: string; settings: Partial<OpenSettings>; open: Partial<BgpOpen>; want: string }[] = [
    { name: "the AS asked for", settings: {}, open: {}, want: "agreed" },
    { name: "another AS", settings: {}, open: { asn: 64999 }, want: "2/2" },
    { name: "an external AS", settings: { peerAsn: "external" }, open: { asn: 64999 }, want: "agreed" },
    {
      name: "our AS where an external one is wanted",
      settings: { peerAsn: "external" },
      open: { asn: 64513 },
      want: "2/2",
    },
    { name: "our AS", settings: { peerAsn: "internal" }, open: { asn: 64513 }, want: "agreed" },
    { name: "another AS where ours is wanted", settings: { peerAsn: "internal" }, open: {}, want: "2/2" },
    {
      name: "our router ID in our AS",
      settings: { peerAsn: "internal" },
      open: { asn: 64513, routerId: 10 },
      want: "2/3",
    },
    { name: "our router ID in another AS", settings: {}, open: { routerId: 10 }, want: "agreed" },
    {
      name: "no common family",
      settings: { families: ["ipv6"] },
      open: { capabilities: both.slice(0, 1) },
      want: "2/7",
    },
  ];
  test.each(cases)("$name: $want", ({ settings, open, want }) => {
    expect(outcome({ ...ours, ...settings }, theirs(open))).toBe(want);
  });

  test("reads from our own OPEN what it offers", () => {
    const open = { ...openOf({ ...ours, restartSeconds: 120 }, true), asn: 64512 };
    expect(agreeOn({ ...ours, restartSeconds: 120 }, open)).toMatchObject({
      fourOctetAsn: true,
      longestMessage: 65_535,
      enhancedRefresh: true,
      extendedNextHop: true,
      keepsRoutes: true,
      internal: false,
    });
  });
});

describe("openOf()", () => {
  const cases: { name: string; forwardingPreserved: boolean; restarted: boolean; preserved: boolean }[] = [
    { name: "a restart of the agent", forwardingPreserved: true, restarted: true, preserved: true },
    { name: "a boot", forwardingPreserved: false, restarted: true, preserved: false },
    { name: "the loss of a session", forwardingPreserved: false, restarted: false, preserved: true },
  ];
  test.each(cases)("after $name: preserved $preserved", ({ forwardingPreserved, restarted, preserved }) => {
    const { capabilities } = openOf({ ...ours, restartSeconds: 120, forwardingPreserved }, restarted);
    const told = capabilities.flatMap((each) => (each.kind === "gracefulRestart" ? each : []));
    expect(told).toMatchObject([{ restarted, families: [{ preserved }, { preserved }] }]);
  });
});

describe("survivor()", () => {
  test("both sides keep the same connection", () => {
    const pairs = [
      [
        { routerId: 1, asn: 1 },
        { routerId: 2, asn: 1 },
      ],
      [
        { routerId: 0xffff_fffe, asn: 1 },
        { routerId: 3, asn: 9 },
      ],
      [
        { routerId: 5, asn: 7 },
        { routerId: 5, asn: 8 },
      ],
    ] as const;
    for (const [a, b] of pairs) expect(survivor(a, b)).not.toBe(survivor(b, a));
    expect(survivor({ routerId: 9, asn: 1 }, { routerId: 2, asn: 1 })).toBe("dialed");
  });
});
