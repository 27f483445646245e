import { describe, expect, test } from "vitest";
import type { NftTable } from "../../../linux/mod.ts";
import { chainIn, setIn, stampOf } from "../../../proxy/nftables-stamp.ts";

const BODY = "jump first\ndrop";
const HOOK = "type filter hook input priority filter; policy accept;\njump first\ndrop";

function tableOf(comments: readonly string[]): NftTable {
  return { chains: new Map([["c", comments]]), sets: new Map(), active: true };
}

describe("chainIn()", () => {
  const cases: { name: string; body: string; comments: string[]; isSame: boolean }[] = [
    { name: "knows its rules again", body: BODY, comments: [stampOf(BODY), stampOf(BODY)], isSame: true },
    { name: "knows a hook's rules again", body: HOOK, comments: [stampOf(HOOK), stampOf(HOOK)], isSame: true },
    { name: "misses a rule", body: BODY, comments: [stampOf(BODY)], isSame: false },
    { name: "misses all rules", body: BODY, comments: [], isSame: false },
    { name: "finds a stranger's rule", body: BODY, comments: [stampOf(BODY), ""], isSame: false },
    {
      name: "finds one rule too many",
      body: BODY,
      comments: [stampOf(BODY), stampOf(BODY), stampOf(BODY)],
      isSame: false,
    },
    { name: "finds the rules of another text", body: BODY, comments: [stampOf(HOOK), stampOf(HOOK)], isSame: false },
  ];
  test.each(cases)("$name", ({ body, comments, isSame }) => {
    expect(chainIn(tableOf(comments), "c", body) === body).toBe(isSame);
  });

  test("tells a chain nobody wants from one that is not there", () => {
    expect(chainIn(tableOf([]), "c", undefined)).toBeDefined();
    expect(chainIn(tableOf([]), "other", BODY)).toBeUndefined();
  });
});

describe("setIn()", () => {
  const wanted = "map\ntype ipv4_addr : verdict";
  test.each([
    { name: "knows its map again", comment: stampOf(wanted), want: wanted },
    { name: "keeps the kind of a stranger's map", comment: "", want: "map\nsomething else" },
  ])("$name", ({ comment, want }) => {
    const table: NftTable = { chains: new Map(), sets: new Map([["m", { kind: "map", comment }]]), active: true };
    expect(setIn(table, "m", wanted)).toBe(want);
    expect(setIn(table, "other", wanted)).toBeUndefined();
  });
});
