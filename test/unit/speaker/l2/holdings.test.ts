import { describe, expect, test } from "vitest";
import type { Claims, ElectionRule, Stance } from "../../../../speaker/claim.ts";
import { decideHoldings, type Holding, type HoldingsInput, isStoodInFor } from "../../../../speaker/l2/holdings.ts";
import type { Reach } from "../../../../speaker/member-link.ts";
import type { Peer } from "../../../../speaker/member-table.ts";

const ADDRESS = "192.168.10.0";
/** In the order in which they rank for the address. */
const [FIRST, SECOND, THIRD] = ["kind-worker2", "kind-worker", "kind-control-plane"];

const claims = (stance: Stance): Claims => new Map([[ADDRESS, { stance, score: 0 }]]);
const peer = (name: string, stance: Stance | undefined, reach: Reach = "alive"): Peer => ({
  name,
  reach,
  claims: stance === undefined ? new Map() : claims(stance),
  silence: 0,
  kernelLives: reach !== "lost",
  known: true,
});

/** What the node `self` does next about the address. */
function next(self: string, peers: Peer[], more: Partial<HoldingsInput> & { was?: Holding; unwanted?: true } = {}) {
  const { was, unwanted, ...rest } = more;
  return decideHoldings({
    self,
    wanted: new Map(unwanted ? [] : [[ADDRESS, { rankAddress: ADDRESS, score: 0, rule: "sticky" }]]),
    peers,
    before: new Map(was === undefined ? [] : [[ADDRESS, was]]),
    resume: () => false,
    canStandIn: () => true,
    now: 1000,
    ...rest,
  }).get(ADDRESS);
}

describe("decideHoldings()", () => {
  const was = (stance: Stance): Holding => ({ stance, score: 0 });
  const cases: [string, Holding | undefined, Partial<Holding> | undefined][] = [
    ["takes what nobody holds, as the best ranked", next(FIRST, [peer(SECOND, "ready")]), { stance: "holds" }],
    ["leaves it to a better ranked", next(SECOND, [peer(FIRST, "ready")]), { stance: "ready" }],
    ["leaves it to the holder", next(FIRST, [peer(THIRD, "holds")]), { stance: "ready" }],
    ["waits for members that have not spoken", next(THIRD, [peer(FIRST, undefined)]), { stance: "ready", until: 1100 }],
    [
      "goes on waiting as long as it said",
      next(THIRD, [peer(FIRST, undefined)], { was: { ...was("ready"), until: 1001 } }),
      { stance: "ready", until: 1001 },
    ],
    [
      "takes it when better ranked ones were not ready in time",
      next(THIRD, [peer(FIRST, undefined)], { was: { ...was("ready"), until: 1000 } }),
      { stance: "holds" },
    ],
    ["waits for nobody that is not there", next(THIRD, [peer(FIRST, undefined, "lost")]), { stance: "holds" }],
    ["takes it when the better ranked one is lost", next(THIRD, [peer(FIRST, "holds", "lost")]), { stance: "holds" }],
    ["takes it from one that hands over", next(THIRD, [peer(FIRST, "handsOver")]), { stance: "holds" }],
    ["stays the holder", next(THIRD, [peer(FIRST, "ready")], { was: was("holds") }), { stance: "holds" }],
    [
      "gives way to a better ranked holder",
      next(THIRD, [peer(FIRST, "holds")], { was: was("holds") }),
      { stance: "ready" },
    ],
    [
      "knows that it is contested when it is the better ranked",
      next(FIRST, [peer(THIRD, "holds")], { was: was("holds") }),
      { stance: "holds", contested: true },
    ],
    [
      "gives way to one that can't hear it",
      next(FIRST, [peer(THIRD, "holds", "deaf")], { was: was("holds") }),
      { stance: "ready" },
    ],
    [
      "does not give way to one whose words may be old",
      next(THIRD, [peer(FIRST, "holds", "returning")], { was: was("holds") }),
      { stance: "holds", contested: true },
    ],
    [
      "takes nothing from one whose words may be old",
      next(FIRST, [peer(THIRD, "holds", "returning")]),
      { stance: "ready" },
    ],
    [
      "stands in for a holder that restarts, as the best of the rest",
      next(SECOND, [peer(FIRST, "holds", "restarting"), peer(THIRD, "ready")]),
      { stance: "standsIn", inNameOf: FIRST },
    ],
    [
      "leaves it alone where it could not give the hardware address of a holder that is restarting",
      next(SECOND, [peer(FIRST, "holds", "restarting"), peer(THIRD, "ready")], { canStandIn: () => false }),
      { stance: "ready" },
    ],
    [
      "leaves standing in to a better ranked",
      next(THIRD, [peer(FIRST, "holds", "restarting"), peer(SECOND, "ready")]),
      { stance: "ready" },
    ],
    [
      "hands over what it should not announce any more",
      next(FIRST, [peer(SECOND, "ready")], { was: was("holds"), unwanted: true }),
      {
        stance: "handsOver",
        until: 1300,
      },
    ],
    [
      "goes on handing over until the time is up",
      next(FIRST, [peer(SECOND, "ready")], { was: { ...was("handsOver"), until: 1001 }, unwanted: true }),
      { stance: "handsOver", until: 1001 },
    ],
    [
      "stops when the time is up",
      next(FIRST, [peer(SECOND, "ready")], { was: { ...was("handsOver"), until: 1000 }, unwanted: true }),
      undefined,
    ],
    [
      "stops when another holds it",
      next(FIRST, [peer(SECOND, "holds")], { was: was("handsOver"), unwanted: true }),
      undefined,
    ],
    [
      "stops at once when nobody is there to take over",
      next(FIRST, [peer(SECOND, "ready", "lost")], { was: was("holds"), unwanted: true }),
      undefined,
    ],
    [
      "forgets what it only was ready for",
      next(FIRST, [peer(SECOND, "ready")], { was: was("ready"), unwanted: true }),
      undefined,
    ],
    [
      "takes back what it is still handing over",
      next(THIRD, [peer(FIRST, "ready")], { was: { ...was("handsOver"), until: 1200 } }),
      { stance: "holds" },
    ],
    [
      "takes up again what it held",
      next(THIRD, [peer(FIRST, "standsIn")], { resume: () => true }),
      { stance: "holds" },
    ],
    [
      "takes up nothing that another took",
      next(FIRST, [peer(THIRD, "holds")], { resume: () => true }),
      { stance: "ready" },
    ],
  ];
  test.each(cases)("%s", (_, holding, want) => {
    if (want === undefined) expect(holding).toBeUndefined();
    else expect(holding).toMatchObject({ score: 0, ...want });
  });
});

describe("decideHoldings() of an address that has a holder", () => {
  /** What FIRST does about it, ready for it since time 0, when THIRD holds it. */
  function against(holder: { score: number; reach?: Reach }, us: { score: number; rule: ElectionRule }, now: number) {
    const peers = [
      {
        ...peer(THIRD, undefined, holder.reach),
        claims: new Map([[ADDRESS, { stance: "holds" as const, score: holder.score }]]),
      },
    ];
    const before: Holding = { stance: "ready", score: us.score, until: 100 };
    return next(FIRST, peers, { wanted: new Map([[ADDRESS, { rankAddress: ADDRESS, ...us }]]), was: before, now });
  }
  const better = { score: 10, rule: "sticky" } as const;
  const cases: [string, ReturnType<typeof against>, Partial<Holding>][] = [
    [
      "takes it when it is fitter, after a while",
      against({ score: 0 }, better, 5000),
      { stance: "holds", contested: true },
    ],
    [
      "does not take it before that, and says when",
      against({ score: 0 }, better, 4999),
      { stance: "ready", takesAt: 5000 },
    ],
    ["leaves it to one that can't hear of it", against({ score: 0, reach: "deaf" }, better, 5000), { stance: "ready" }],
    ["leaves it to one as fit, though better ranked", against({ score: 10 }, better, 5000), { stance: "ready" }],
    [
      "takes it from one as fit when the rule is revertive",
      against({ score: 10 }, { ...better, rule: "revertive" }, 5000),
      { stance: "holds" },
    ],
    [
      "never takes it from a fitter one",
      against({ score: 11 }, { ...better, rule: "revertive" }, 5000),
      { stance: "ready" },
    ],
  ];
  test.each(cases)("%s", (_, holding, want) => {
    expect(holding).toMatchObject(want);
    if (want.stance === "ready" && want.takesAt === undefined) expect(holding).not.toHaveProperty("takesAt");
  });
});

describe("isStoodInFor()", () => {
  test("is true when a member that is there stands in", () => {
    expect(isStoodInFor(ADDRESS, [peer(FIRST, "ready"), peer(SECOND, "standsIn")])).toBe(true);
    expect(isStoodInFor(ADDRESS, [peer(FIRST, "ready"), peer(SECOND, "standsIn", "deaf")])).toBe(false);
    expect(isStoodInFor("192.0.2.1", [peer(SECOND, "standsIn")])).toBe(false);
  });
});
