import { describe, expect, test } from "vitest";
import type { V1Node } from "../../../kube/mod.ts";
import { DEFAULT_OPTIONS } from "../../../speaker/advert-options.ts";
import type { Candidacy } from "../../../speaker/announce.ts";
import { announceFailures } from "../../../speaker/announce-failure.ts";
import type { Status } from "../../../speaker/l2/message.ts";

const ADDRESS = "192.168.10.0";
/** In the order in which they rank for the address. */
const [FIRST, SECOND] = ["kind-worker2", "kind-worker"];
const nodes: V1Node[] = [FIRST, SECOND].map((name) => ({ metadata: { name } }));
const selectors = { pools: [], poolSelectors: [], nodeSelectors: [], serviceSelectors: [], preferredNodeSelectors: [] };
const advert = { name: "all", namespace: "lb", interfaces: ["eth9", "/^bond/"], ...selectors, ...DEFAULT_OPTIONS };
const candidacy: Candidacy = {
  facts: { service: "shop/web", addresses: [ADDRESS], adverts: [advert] },
  standing: { score: 0, interfaces: ["eth9", "/^bond/"], rule: "sticky" },
};
const candidacies = new Map([["shop/web", candidacy]]);
const status: Status = { listening: false, addresses: {}, members: {}, keepers: {}, interfaces: ["eth0"] };

describe("announceFailures()", () => {
  test("is told by the node that would be elected, when nobody has the interface", () => {
    const failures = [{ service: "shop/web", address: ADDRESS }];
    expect(announceFailures(candidacies, nodes, FIRST, status)).toEqual(failures);
    expect(announceFailures(candidacies, nodes, SECOND, status)).toEqual([]);
  });

  test.each<[string, Partial<Status>]>([
    ["the interface is there", { interfaces: ["eth0", "eth9"] }],
    ["an interface is there that the pattern stands for", { interfaces: ["eth0", "bond1"] }],
    ["another node announces it", { addresses: { [ADDRESS]: { holder: SECOND } } }],
    ["this node has just started", { listening: true }],
  ])("is nothing when %s", (_, more) => {
    expect(announceFailures(candidacies, nodes, FIRST, { ...status, ...more })).toEqual([]);
  });
});
