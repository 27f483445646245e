import { expect, test } from "vitest";
import { parsePrefix } from "../../../../net/mod.ts";
import type { OfferedRoute } from "../../../../speaker/bgp/route.ts";
import { RouteFeed } from "../../../../speaker/bgp/route-feed.ts";
import type { RouteChange } from "../../../../speaker/bgp/route-view.ts";

const route = (key: string): OfferedRoute => ({ key, prefix: parsePrefix(key), offers: [] });

test("RouteFeed hands over a few at a time, the newest state of each, and says when all is done", () => {
  const sent: RouteChange[] = [];
  let emptied = 0;
  const feed = new RouteFeed({ send: (change) => sent.push(change), onEmpty: () => emptied++ });
  const many = Array.from({ length: 450 }, (_, i) => route(`10.0.${i >> 8}.${i & 255}/32`));
  feed.put({ set: many, remove: [] });
  expect(sent.map(({ set }) => set.length)).toEqual([200]);
  feed.put({ set: [], remove: ["10.0.1.0/32", "10.9.9.9/32"] });
  expect(sent).toHaveLength(1);
  feed.taken();
  feed.taken();
  expect(feed.isEmpty).toBe(false);
  feed.taken();
  expect([feed.isEmpty, emptied]).toEqual([true, 1]);
  expect(sent.flatMap(({ set }) => set)).toHaveLength(449);
  expect(sent.flatMap(({ remove }) => remove)).toEqual(["10.0.1.0/32", "10.9.9.9/32"]);
});
