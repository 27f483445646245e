import { describe, expect, test } from "vitest";
import { fakeNft } from "../../../linux/mod.ts";
import { nftItems } from "../../../proxy/nftables.ts";
import { nftablesBackend } from "../../../proxy/nftables-backend.ts";
import type { ServicePort } from "../../../proxy/service-port.ts";
import { IPV4, servicePort } from "./cluster.ts";

const OWNER = { key: "shop/web", created: 0 };
const chainBodies = (port: ServicePort) =>
  nftItems(port, IPV4)
    .filter(({ object }) => object === "chains")
    .map(({ value }) => value);

describe("pickItems()", () => {
  test("hashes the source, or the source and its port", () => {
    const rule = (port: ServicePort) => chainBodies(port).find((body) => body.includes("jhash"));
    expect(rule(servicePort({ balancing: "source-hash" }))).toMatch(
      /^meta l4proto tcp dnat ip to jhash ip saddr mod 16381 seed 0x\w+ map @hashed-\w+-any$/,
    );
    expect(rule(servicePort({ balancing: "maglev" }))).toMatch(/^dnat ip to jhash ip saddr \. tcp sport mod 16381 /);
    // Who wants to meet the same endpoint again must not be told apart by source ports.
    expect(rule(servicePort({ balancing: "maglev", affinitySeconds: 60 }))).toContain("jhash ip saddr mod");
  });

  test("gives every place of the table an endpoint", () => {
    const items = nftItems(servicePort({ balancing: "maglev" }), IPV4).filter(({ object }) =>
      object.startsWith("hashed-"),
    );
    expect(items.length).toBe(16_381);
    expect(new Set(items.map(({ value }) => value))).toEqual(new Set(["10.244.1.7 . 8080", "10.244.2.7 . 8080"]));
  });
});

describe("nftablesBackend() with a table of its own for a Service", () => {
  test("moves places when an endpoint goes, and nothing is left when the Service goes", async () => {
    const nft = fakeNft();
    const backend = nftablesBackend(nft, IPV4);
    await backend.check();
    await backend.write();
    const empty = nft.dump();
    const port = servicePort({ balancing: "maglev" });
    backend.replace(OWNER, [port]);
    await backend.write();
    backend.replace(OWNER, [{ ...port, cluster: port.cluster.slice(1) }]);
    await backend.write();
    expect(nft.dump()).not.toContain("10.244.1.7 . 8080");
    await backend.check();
    expect(await backend.write()).toBe(0);
    backend.replace(OWNER, []);
    await backend.write();
    await backend.check();
    await backend.write();
    expect(nft.dump()).toBe(empty);
  });
});
