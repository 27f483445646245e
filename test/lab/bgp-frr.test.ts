import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { waitFor } from "../support/wait.ts";
import { type BgpLab, type Frr, isUp, startBgpLab, startFrr } from "./support/bgp-lab.ts";

let lab: BgpLab;
let frr: Frr;

beforeAll(async () => {
  lab = await startBgpLab({ tag: "frr", nodes: 2, objects: () => ({}) });
  frr = await startFrr(lab, [
    "router bgp 64512",
    " bgp router-id 192.0.2.1",
    " no bgp ebgp-requires-policy",
    " neighbor 192.0.2.11 remote-as 64513",
    " neighbor 192.0.2.12 remote-as 64513",
    " address-family ipv4 unicast",
    "  maximum-paths 8",
    " exit-address-family",
  ]);
});
afterAll(() => lab[Symbol.asyncDispose]());

describe("startBgp() with FRR", () => {
  test("announces an address from every node", async () => {
    for (const node of lab.nodes) await node.until("a session", (answer) => isUp(answer));
    const routes = await waitFor(
      "two ways",
      async () => {
        const shown = await frr.show("show bgp ipv4 unicast 203.0.113.10/32");
        return (shown.paths as unknown[] | undefined)?.length === 2 && shown;
      },
      { deadline: 10_000 },
    );
    console.log(JSON.stringify(routes).slice(0, 1500));
    expect(routes).toBeDefined();
  });
});
