import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { fakeNft, type Netns, type NftElement, type NftReader, openNft, openNftReader } from "../../linux/mod.ts";
import { createNamespaces } from "./support/linux-namespaces.ts";

const SCRIPT = `add table ip t
add map ip t fronts { type ipv4_addr . inet_proto . inet_service : verdict; comment "front"; }
add map ip t slots { typeof ip daddr . tcp dport . numgen random mod 65536 : ip daddr . tcp dport; }
add map ip t places { typeof numgen random mod 65536 : ip daddr . udp dport; }
add set ip t pairs { type ipv4_addr . ipv4_addr; }
add chain ip t target
add chain ip t entry { type filter hook input priority filter; policy accept; }
`;
const RULES = `add rule ip t target accept comment "first"
add rule ip t target drop
add rule ip t entry jump target comment "third"
`;
const ELEMENTS: Readonly<Record<string, readonly NftElement[]>> = {
  fronts: [
    ["10.96.0.1 . tcp . 80", "goto target"],
    ["10.96.0.1 . udp . 53", "drop"],
    ["255.0.0.1 . sctp . 65535", "jump target"],
  ],
  slots: [
    ["10.96.0.1 . 80 . 0", "10.244.1.7 . 8080"],
    ["10.96.0.1 . 80 . 32768", "10.244.1.8 . 8080"],
  ],
  places: [["256", "10.244.1.7 . 53"]],
  pairs: [["10.244.1.7 . 10.244.1.8", ""]],
};

let a: Netns;
let remove: () => Promise<void>;
beforeAll(async () => {
  ({ a, remove } = await createNamespaces());
});
afterAll(() => remove());

function printElements(): string {
  return Object.entries(ELEMENTS)
    .map(([set, elements]) => {
      const texts = elements.map(([key, value]) => (value === "" ? key : `${key} : ${value}`));
      return `add element ip t ${set} { ${texts.join(", ")} }\n`;
    })
    .join("");
}

async function elementsOf(reader: NftReader, set: string, family: "ipv4" | "ipv6" = "ipv4"): Promise<NftElement[]> {
  const all: NftElement[] = [];
  for await (const elements of reader.elements(family, "t", set)) all.push(...elements);
  return all.sort();
}

describe.each(["the kernel", "the fake"])("%s", (which) => {
  let reader: NftReader;
  beforeEach(async () => {
    const nft = which === "the kernel" ? await openNft(a) : fakeNft();
    if (which === "the kernel") await nft.apply("flush ruleset\n");
    await nft.apply(SCRIPT + RULES + printElements());
    reader = which === "the kernel" ? openNftReader(a) : (nft as ReturnType<typeof fakeNft>);
    nft.close();
  });

  test("table() gives the chains with the comments on their rules, and the sets", () => {
    const table = reader.table("ipv4", "t");
    expect(Object.fromEntries(table?.chains ?? [])).toEqual({ target: ["first", ""], entry: ["third"] });
    expect(table?.sets.get("fronts")).toEqual({ kind: "map", comment: "front" });
    expect(table?.sets.get("pairs")).toEqual({ kind: "set", comment: "" });
    expect(table?.active).toBe(true);
    expect(reader.table("ipv6", "t")).toBeUndefined();
    expect(reader.table("ipv4", "nothing")).toBeUndefined();
  });

  test.each(Object.entries(ELEMENTS))("elements() of %s", async (set, elements) => {
    expect(await elementsOf(reader, set)).toEqual(elements);
    expect(await elementsOf(reader, "nothing")).toEqual([]);
  });
});

describe("openNftReader()", () => {
  test("reads IPv6 addresses in their canonical form", async () => {
    const nft = await openNft(a);
    await nft.apply(`flush ruleset
add table ip6 t
add map ip6 t slots { typeof ip6 daddr . tcp dport . numgen random mod 65536 : ip6 daddr . tcp dport; }
add element ip6 t slots { fd00:96::10 . 80 . 3 : fd00:244:1::7 . 8080 }
`);
    expect(await elementsOf(openNftReader(a), "slots", "ipv6")).toEqual([
      ["fd00:96::10 . 80 . 3", "fd00:244:1::7 . 8080"],
    ]);
    nft.close();
  });

  test("reads a map of many datagrams whole", async () => {
    const nft = await openNft(a);
    const keys = Array.from({ length: 20_000 }, (_, i) => `10.96.${i >> 8}.${i & 255} . tcp . 80`);
    await nft.apply(
      `flush ruleset\n${SCRIPT}add element ip t fronts { ${keys.map((key) => `${key} : drop`).join(", ")} }\n`,
    );
    const read = await elementsOf(openNftReader(a), "fronts");
    expect(new Set(read.map(([key]) => key))).toEqual(new Set(keys));
    nft.close();
  });

  test.each([
    ["a dormant table", "add table ip t { flags dormant; }"],
    ["a hook that drops", "add chain ip t entry { policy drop; }"],
  ])("tells %s", async (_, change) => {
    const nft = await openNft(a);
    await nft.apply(`flush ruleset\n${SCRIPT}`);
    await nft.apply(`${change}\n`);
    expect(openNftReader(a).table("ipv4", "t")?.active).toBe(false);
    nft.close();
  });
});
