import { describe, expect, test } from "vitest";
import { type FakeNft, fakeNft } from "../../../linux/mod.ts";
import { Ledger } from "../../../proxy/ledger.ts";
import { nftFixedItems, nftItems } from "../../../proxy/nftables.ts";
import { nftablesBackend } from "../../../proxy/nftables-backend.ts";
import { printNftChanges } from "../../../proxy/nftables-text.ts";
import { IPV4, PORTS, servicePort } from "./cluster.ts";

async function written(nft: FakeNft): Promise<void> {
  const backend = nftablesBackend(nft, IPV4);
  const ports = Object.values(PORTS).filter(({ family }) => family === "ipv4");
  for (const [i, port] of ports.entries()) backend.replace({ key: `shop/s${i}`, created: i }, [port]);
  await backend.check();
  await backend.write();
}

describe("nftablesBackend()", () => {
  test("replaces a table whose comments are another version's in one transaction", async () => {
    const [fresh, other] = [fakeNft(), fakeNft()];
    await written(fresh);
    for (const script of fresh.applied) await other.apply(script.replaceAll(/comment "[^"]*"/g, 'comment "other"'));
    expect(other.dump()).not.toBe(fresh.dump());
    const before = other.applied.length;
    await written(other);
    expect(other.dump()).toBe(fresh.dump());
    expect(other.applied.length).toBe(before + 1);
  });

  test.each([
    ["a rule that others put in", "add rule ip ironbridge-proxy dispatch drop"],
    ["a chain without its rules", "flush chain ip ironbridge-proxy dispatch"],
    ["a chain of others", "add chain ip ironbridge-proxy mine"],
    ["an element of others", "add element ip ironbridge-proxy guarded-addresses { 192.0.2.1 }"],
    ["an element that is gone", "delete element ip ironbridge-proxy guarded-addresses { 10.96.0.10 }"],
  ])("finds and puts right %s", async (_, script) => {
    const nft = fakeNft();
    await written(nft);
    const sound = nft.dump();
    await nft.apply(`${script}\n`);
    expect(nft.dump()).not.toBe(sound);
    await written(nft);
    expect(nft.dump()).toBe(sound);
  });
});

describe("printNftChanges()", () => {
  test("makes transactions of bounded size one after the other, hooks in the last", () => {
    const ledger = new Ledger();
    ledger.replace({ key: "fixed", created: 0 }, nftFixedItems(IPV4));
    for (let i = 0; i < 500; i++) {
      const clusterIp = `10.96.${i >> 8}.${i & 255}`;
      ledger.replace(
        { key: `shop/s${i}`, created: 1 },
        nftItems(servicePort({ clusterIp, guarded: [clusterIp] }), IPV4),
      );
    }
    const texts = [...printNftChanges("ipv4", ledger, 100)];
    const elements = texts.map((text) =>
      [...text.matchAll(/^add element .*\{(.*)\}$/gm)].reduce((sum, [, list = ""]) => sum + list.split(",").length, 0),
    );
    expect(Math.max(...elements)).toBe(100);
    // Two endpoints, one verdict and one guarded address each; one endpoint on this node; the fixed prefix of pods.
    expect(elements.reduce((sum, count) => sum + count)).toBe(500 * 4 + 1 + 1);
    expect(texts.findIndex((text) => text.includes(" hook "))).toBe(texts.length - 1);
  });
});
