import { describe, expect, test } from "vitest";
import { waitFor } from "../support/wait.ts";
import { type BgpNode, clusterNodes, NAMESPACE, NODE_ASN, peerObject, VIP } from "./support/bgp-lab.ts";
import { startFrr } from "./support/frr.ts";
import { labPerTest } from "./support/lab-per-test.ts";

/** What FRR makes of a node that is cordoned, where the advertisement asks for its routes to be drained. */
const DEADLINE = { deadline: 20_000 };
const start = labPerTest("drain");

interface Path {
  readonly locPrf?: number;
  readonly bestpath?: { readonly overall?: boolean };
  readonly community?: { readonly string: string };
  readonly nexthops: readonly { readonly ip: string }[];
}

describe("startBgp() with FRR in the same autonomous system", () => {
  test("FRR leaves a cordoned node for another of the same low preference, and comes back", async () => {
    const annotations = { "ironbridge.io/drain-on-cordon": "true" };
    const advert = { metadata: { name: "all", namespace: NAMESPACE, annotations }, spec: { localPref: 50 } };
    const bgpPeers = [peerObject({ peerASN: NODE_ASN })];
    const lab = await start(() => ({ bgpPeers, bgpAdvertisements: [advert] }), { nodes: 2 });
    const frr = await startFrr(lab, [
      `router bgp ${NODE_ASN}`,
      " bgp router-id 192.0.2.1",
      ...lab.nodes.flatMap(({ v4 }) => [` neighbor ${v4} remote-as ${NODE_ASN}`, ` neighbor ${v4} timers connect 1`]),
    ]);
    const [first] = lab.nodes as [BgpNode];
    /** By next hop: preference, communities, and whether it is the way taken. */
    const paths = async () => {
      const { paths = [] } = (await frr.show(`show bgp ipv4 unicast ${VIP.v4}/32`)) as { paths?: readonly Path[] };
      return paths
        .map(({ locPrf, community, bestpath, nexthops: [hop] }) =>
          [hop?.ip, locPrf, community?.string ?? "none", bestpath?.overall ? "best" : "other"].join(" "),
        )
        .sort();
    };
    const cordon = async (unschedulable: boolean) => {
      const [node] = clusterNodes(lab.nodes);
      await first.order({ kind: "set", objects: { nodes: [{ ...node, spec: { unschedulable } }] } });
    };
    const plain = ["192.0.2.11 50 none best", "192.0.2.12 50 none other"];
    const isPlain = async () => JSON.stringify(await paths()) === JSON.stringify(plain);
    await waitFor("two ways, that of the lower router ID the best", isPlain, DEADLINE);
    await cordon(true);
    await waitFor("another way", async () => (await paths()).some((path) => /12 .* best$/.test(path)), DEADLINE);
    expect(await paths()).toEqual([
      expect.stringMatching(/^192\.0\.2\.11 0 (gracefulShutdown|graceful-shutdown|65535:0) other$/),
      "192.0.2.12 50 none best",
    ]);
    await cordon(false);
    await waitFor("both ways again", isPlain, DEADLINE);
  }, 60_000);
});
