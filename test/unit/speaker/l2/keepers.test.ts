import { describe, expect, test } from "vitest";
import type { Stance } from "../../../../speaker/claim.ts";
import { keepersOf } from "../../../../speaker/l2/keepers.ts";
import type { Peer } from "../../../../speaker/member-table.ts";

const ADDRESS = "192.0.2.1";
const peer = (name: string, stance: Stance | undefined, kernelLives = true): Peer => ({
  name,
  reach: "alive",
  claims: stance === undefined ? new Map() : new Map([[ADDRESS, { stance, score: 0 }]]),
  silence: 0,
  kernelLives,
  known: true,
});

describe("keepersOf()", () => {
  const cases: [string, [string, string][], Peer[], [string, string][]][] = [
    ["the holder, before it is needed", [], [peer("a", "ready"), peer("b", "holds")], [[ADDRESS, "b"]]],
    [
      "the holder rather than the one before it",
      [[ADDRESS, "a"]],
      [peer("a", "ready"), peer("b", "holds")],
      [[ADDRESS, "b"]],
    ],
    [
      "the last holder when no other member holds it",
      [[ADDRESS, "a"]],
      [peer("a", "ready"), peer("b", "ready")],
      [[ADDRESS, "a"]],
    ],
    ["one that hands over, if it held before", [[ADDRESS, "a"]], [peer("a", "handsOver")], [[ADDRESS, "a"]]],
    ["nobody when its kernel is dead", [[ADDRESS, "a"]], [peer("a", undefined, false), peer("b", "ready")], []],
    ["nobody when it is no member any more", [[ADDRESS, "a"]], [peer("b", "ready")], []],
    ["nobody for an address that is not ours to announce", [["192.0.2.2", "a"]], [peer("a", "ready")], []],
  ];
  test.each(cases)("names %s", (_, before, peers, want) => {
    expect([...keepersOf(new Map(before), [ADDRESS], peers)]).toEqual(want);
  });
});
