import fc from "fast-check";
import { expect, test } from "vitest";
import { masqueradeReconciler, printMasquerade, widestPrefixes } from "../../../cni/masquerade.ts";
import type { Nft } from "../../../linux/mod.ts";
import { parsePrefix, prefixContains, prefixOf, prefixRange, printPrefix, rangesOverlap } from "../../../net/mod.ts";

const prefixes = (...texts: readonly string[]) => texts.map(parsePrefix);
const PLAN = { pods: prefixes("10.244.1.0/24"), native: prefixes("10.244.0.0/16", "10.244.2.0/24", "10.96.0.0/16") };

test("printMasquerade() prints the whole table as one transaction", () => {
  expect(printMasquerade(PLAN)).toBe(`add table inet ironbridge_cni
delete table inet ironbridge_cni
table inet ironbridge_cni {
  set pods_v4 { type ipv4_addr; flags interval; elements = { 10.244.1.0/24 }; }
  set native_v4 { type ipv4_addr; flags interval; elements = { 10.244.0.0/16, 10.96.0.0/16, 224.0.0.0/4 }; }
  set pods_v6 { type ipv6_addr; flags interval; }
  set native_v6 { type ipv6_addr; flags interval; elements = { ff00::/8 }; }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr @pods_v4 ip daddr != @native_v4 masquerade fully-random
    ip6 saddr @pods_v6 ip6 daddr != @native_v6 masquerade fully-random
  }
}
`);
});

test("widestPrefixes() covers the same addresses with prefixes that do not overlap", () => {
  const prefix = fc
    .tuple(fc.bigInt({ min: 0n, max: 0xffff_ffffn }), fc.integer({ min: 0, max: 32 }))
    .map(([value, length]) => prefixOf({ family: "ipv4", value }, length));
  fc.assert(
    fc.property(fc.array(prefix), (list) => {
      const widest = widestPrefixes(list);
      for (const [i, a] of widest.entries()) {
        for (const b of widest.slice(i + 1)) expect(rangesOverlap(prefixRange(a), prefixRange(b))).toBe(false);
      }
      for (const { first, family } of list) {
        expect(widest.some((wider) => prefixContains(wider, { family, value: first }))).toBe(true);
      }
      expect(list.map(printPrefix)).toEqual(expect.arrayContaining(widest.map(printPrefix)));
    }),
  );
});

test("masqueradeReconciler() writes only when the plan or the kernel changed", async () => {
  let table: string | undefined;
  const scripts: string[] = [];
  const nft: Nft = {
    apply: async (script) => {
      scripts.push(script);
      table = script;
    },
    list: async () => table,
    close: () => {},
  };
  const reconcile = masqueradeReconciler(nft);
  await reconcile(PLAN);
  await reconcile(PLAN);
  expect(scripts).toHaveLength(1);
  table = undefined; // flushed by somebody
  await reconcile(PLAN);
  expect(scripts).toHaveLength(2);
  await reconcile({ ...PLAN, pods: prefixes("10.244.9.0/24") });
  expect(table).toContain("10.244.9.0/24");
});
