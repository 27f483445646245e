import { describe, expect, test } from "vitest";
import type { IPAddressPool, L2Advertisement } from "../../../config/mod.ts";
import { LastGood } from "../../../speaker/last-good.ts";

const pool = (name: string, addresses: string[]): IPAddressPool => ({
  metadata: { name, namespace: "metallb-system" },
  spec: { addresses },
});
const advert = (spec: unknown): L2Advertisement => ({
  metadata: { name: "all", namespace: "metallb-system" },
  spec: spec as NonNullable<L2Advertisement["spec"]>,
});
const GOOD = pool("a", ["192.0.2.0/24"]);

describe("LastGood", () => {
  test("goes on with a pool as it was before it was edited into a mistake", () => {
    const memory = new LastGood();
    memory.resolve({ pools: [GOOD], l2Advertisements: [] });
    const broken = memory.resolve({ pools: [pool("a", ["nonsense"])], l2Advertisements: [] });
    expect(broken.config.pools.map(({ name }) => name)).toEqual(["a"]);
    expect(broken.config.problems).toHaveLength(1);
    const again = memory.resolve({ pools: [pool("a", ["also nonsense"])], l2Advertisements: [] });
    expect(again.config.pools).toHaveLength(1);
    const mended = memory.resolve({ pools: [pool("a", ["198.51.100.0/24"])], l2Advertisements: [] });
    expect(mended.config.problems).toEqual([]);
    expect(mended.config.pools[0]?.ranges).not.toEqual(broken.config.pools[0]?.ranges);
  });

  test("goes on with an advertisement likewise", () => {
    const memory = new LastGood();
    memory.resolve({ pools: [GOOD], l2Advertisements: [advert({ interfaces: ["eth1"] })] });
    const { config } = memory.resolve({ pools: [GOOD], l2Advertisements: [advert({ interfaces: [""] })] });
    expect(config.l2Advertisements[0]?.interfaces).toEqual(["eth1"]);
  });

  test("goes on with a BGP peer and the community of an advertisement likewise", () => {
    const named = (name: string) => ({ name, namespace: "metallb-system" });
    const objects = (peerAddress: string, value: string) => ({
      pools: [GOOD],
      l2Advertisements: [],
      bgpPeers: [{ metadata: named("tor"), spec: { myASN: 1, peerASN: 2, peerAddress } }],
      bgpAdvertisements: [{ metadata: named("all"), spec: { communities: ["gold"] } }],
      communities: [{ metadata: named("c"), spec: { communities: [{ name: "gold", value }] } }],
    });
    const memory = new LastGood();
    const good = memory.resolve(objects("192.0.2.1", "1:2")).config;
    expect(good.problems).toEqual([]);
    const { config } = memory.resolve(objects("nonsense", "nonsense"));
    expect(config.bgpPeers).toEqual(good.bgpPeers);
    expect(config.bgpAdvertisements).toEqual(good.bgpAdvertisements);
    expect(config.problems.map(({ kind }) => kind)).toContain("BGPPeer");
  });

  test("forgets what is deleted, and makes nothing of what was never good", () => {
    const memory = new LastGood();
    memory.resolve({ pools: [GOOD], l2Advertisements: [] });
    expect(memory.resolve({ pools: [], l2Advertisements: [] }).config.pools).toEqual([]);
    expect(memory.resolve({ pools: [pool("a", ["nonsense"])], l2Advertisements: [] }).config.pools).toEqual([]);
  });
});
