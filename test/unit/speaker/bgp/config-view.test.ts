import { describe, expect, test } from "vitest";
import type { BGPPeer, ConfigLists, Labels } from "../../../../config/mod.ts";
import { ConfigView } from "../../../../speaker/bgp/config-view.ts";
import { LastGood } from "../../../../speaker/last-good.ts";

/** Two peers of one address, each for the nodes with one label. */
const peers = [peer("one", "2026-01-01T00:00:00Z"), peer("two", "2026-01-02T00:00:00Z")];

function peer(name: string, creationTimestamp: string): BGPPeer {
  const nodeSelectors = [{ matchLabels: { [name]: "yes" } }];
  return {
    metadata: { name, namespace: "metallb-system", creationTimestamp },
    spec: { myASN: 64512, peerASN: 64513, peerAddress: "192.0.2.1", nodeSelectors },
  };
}

function stores(bgpPeers: readonly BGPPeer[]): ConfigLists {
  const none = { list: () => [] };
  return {
    pools: none,
    l2Advertisements: none,
    bgpAdvertisements: none,
    bgpPeers: { list: () => bgpPeers },
    bfdProfiles: none,
    communities: none,
  };
}

const viewOf = (labels: Labels, lastGood = new LastGood()) => new ConfigView(stores(peers), labels, lastGood);

describe("ConfigView", () => {
  test("peers in conflict are a mistake on the node that both are for, and on no other", () => {
    expect(viewOf({ one: "yes" }).problems).toEqual([]);
    expect(viewOf({ one: "yes", two: "yes" }).problems).toEqual([
      expect.stringMatching(/^BGPPeer metallb-system\/two: spec.peerAddress is "192.0.2.1": .* already exists/),
    ]);
  });

  test("a node that gets the label of both has the mistake until it is relabelled", () => {
    const lastGood = new LastGood();
    const counts = [{ one: "yes" }, { one: "yes", two: "yes" }, { one: "yes" }].map(
      (labels) => viewOf(labels as Labels, lastGood).problems.length,
    );
    expect(counts).toEqual([0, 1, 0]);
  });

  test("finds nothing wrong with a profile that wants echo packets sent, and uses it", () => {
    const bfdProfiles = [{ metadata: { name: "fast", namespace: "metallb-system" }, spec: { echoMode: true } }];
    const users = [{ ...peers[0]!, spec: { ...peers[0]!.spec, bfdProfile: "fast" } }] as BGPPeer[];
    const lists = { ...stores(users), bfdProfiles: { list: () => bfdProfiles } };
    const view = new ConfigView(lists, { one: "yes" }, new LastGood());
    expect(view.problems).toEqual([]);
    expect(view.config.bgpPeers[0]?.bfdProfile).toBe("fast");
  });

  test("leaves out what belongs to another namespace", () => {
    const view = new ConfigView({ ...stores(peers), home: "ironbridge-system" }, {}, new LastGood());
    expect(view.problems).toEqual([]);
    const strange = { ...peers[0]!, metadata: { name: "one", namespace: "team" } };
    const other = new ConfigView({ ...stores([strange]), home: "ironbridge-system" }, {}, new LastGood());
    expect(other.config.bgpPeers).toEqual([]);
    expect(other.problems[0]).toContain("resource must be created in ironbridge-system namespace");
  });
});
