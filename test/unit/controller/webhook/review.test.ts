import { describe, expect, test } from "vitest";
import type { ConfigObjects } from "../../../../config/mod.ts";
import { type AdmissionRequest, review } from "../../../../controller/webhook/review.ts";

const SAME_TIME = { creationTimestamp: "2026-01-01T00:00:00Z" };
const made = (name: string, spec: object): never =>
  ({ metadata: { name, namespace: "metallb-system", ...SAME_TIME }, spec }) as never;
const asked = (kind: string, name: string, spec?: object, operation: AdmissionRequest["operation"] = "CREATE") => ({
  uid: "1",
  kind: { kind },
  operation,
  namespace: "metallb-system",
  name,
  object: spec === undefined ? null : { metadata: { name, namespace: "metallb-system" }, spec },
});

const peer = { myASN: 64512, peerASN: 64513, peerAddress: "192.0.2.1" };
const objects: ConfigObjects = {
  pools: [made("old", { addresses: ["10.0.0.0/24"] }), made("other", { addresses: ["10.0.1.0/24"] })],
  l2Advertisements: [],
  bgpAdvertisements: [made("sum", { aggregationLength: 26, ipAddressPools: ["old"] })],
  bgpPeers: [made("router", { ...peer, bfdProfile: "fast" })],
  bfdProfiles: [made("fast", {}), made("unused", {})],
  communities: [made("names", { communities: [{ name: "vpn", value: "1:1" }] })],
};

interface Case {
  readonly name: string;
  readonly request: AdmissionRequest;
  /** Part of the message; absent: allowed. */
  readonly refused?: string;
}

const cases: readonly Case[] = [
  { name: "a pool apart from the others", request: asked("IPAddressPool", "new", { addresses: ["10.0.2.0/24"] }) },
  {
    name: "a pool that overlaps",
    request: asked("IPAddressPool", "new", { addresses: ["10.0.0.9/32"] }),
    refused: "overlaps with already defined CIDR 10.0.0.0-10.0.0.255 of IPAddressPool metallb-system/old",
  },
  {
    name: "an old pool grown into a younger one",
    request: asked("IPAddressPool", "old", { addresses: ["10.0.0.0/23"] }, "UPDATE"),
    refused: "overlaps with already defined CIDR",
  },
  {
    name: "a pool shrunk below the aggregation of an advertisement",
    request: asked("IPAddressPool", "old", { addresses: ["10.0.0.0/28"] }, "UPDATE"),
    refused: "invalid aggregation length 26: prefix 28 in this pool is more specific",
  },
  { name: "the deletion of a pool", request: asked("IPAddressPool", "old", undefined, "DELETE") },
  {
    name: "a peer that is there already",
    request: asked("BGPPeer", "again", { ...peer, bfdProfile: "fast" }),
    refused: "already exists",
  },
  {
    name: "a peer whose BFD profile comes later",
    request: asked("BGPPeer", "new", { ...peer, peerAddress: "192.0.2.2", bfdProfile: "later" }),
  },
  {
    name: "an advertisement whose alias comes later",
    request: asked("BGPAdvertisement", "new", { communities: ["later"], ipAddressPools: ["none"] }),
  },
  {
    name: "an alias that is taken",
    request: asked("Community", "more", { communities: [{ name: "vpn", value: "1:2" }] }),
    refused: 'duplicate definition of community "vpn"',
  },
  {
    name: "the deletion of a BFD profile in use",
    request: asked("BFDProfile", "fast", undefined, "DELETE"),
    refused: "BGPPeer metallb-system/router: spec.bfdProfile",
  },
  { name: "the deletion of a BFD profile nobody uses", request: asked("BFDProfile", "unused", undefined, "DELETE") },
  { name: "a kind of somebody else", request: asked("ServiceL2Status", "x", {}) },
  {
    name: "the same mistake of an advertisement as without a webhook",
    request: asked("L2Advertisement", "bad", { interfaces: ["eth0", "eth0"] }),
    refused: "L2Advertisement metallb-system/bad: spec.interfaces[1]",
  },
];

describe("review()", () => {
  test.each(cases)("$name", ({ request, refused }) => {
    const answer = review(request, objects);
    expect(answer).toMatchObject({ uid: "1", allowed: refused === undefined });
    if (refused !== undefined) expect(answer.status?.message).toContain(refused);
  });

  test("names every mistake at once, each with its field", () => {
    const request = asked("BGPPeer", "bad", { myASN: 0, peerASN: 1, peerAddress: "x", holdTime: "1s" });
    expect(review(request, objects).status?.details.causes.map(({ field }) => field)).toEqual([
      "spec.myASN",
      "spec.holdTime",
      "spec.peerAddress",
    ]);
  });

  test("holds a conflict against the object that is being created, though another one's time and name come later", () => {
    const request = asked("IPAddressPool", "all", { addresses: ["10.0.0.0/16"] });
    const created = {
      ...request,
      object: { ...request.object, metadata: { ...request.object?.metadata, ...SAME_TIME } },
    };
    expect(review(created, objects).status?.message).toMatch(/^IPAddressPool metallb-system\/all: /);
  });

  test("does not hold against an object what was wrong before", () => {
    const broken = { ...objects, pools: [...objects.pools, made("broken", { addresses: ["x"] })] };
    const request = asked("IPAddressPool", "new", { addresses: ["10.0.2.0/24"] });
    expect(review(request, broken).allowed).toBe(true);
    const repaired = asked("IPAddressPool", "broken", { addresses: ["10.0.9.0/24"] }, "UPDATE");
    expect(review(repaired, broken).allowed).toBe(true);
  });
});
