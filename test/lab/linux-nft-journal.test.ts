import { spawnSync } from "node:child_process";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Netns, type Nft, type NftJournal, openNft, openNftReader } from "../../linux/mod.ts";
import { kernelOf } from "../../proxy/mod.ts";
import { createNamespaces } from "./support/linux-namespaces.ts";

const BASE = `flush ruleset
add table ip t
add table ip other
add map ip t m { type ipv4_addr . inet_service : verdict; }
add set ip t s { type ipv4_addr; }
add set ip other s { type ipv4_addr; }
add chain ip t c
`;

let a: Netns;
let remove: () => Promise<void>;
let nft: Nft;
let journal: NftJournal;
beforeAll(async () => {
  ({ a, remove } = await createNamespaces());
});
afterAll(() => remove());
beforeEach(async () => {
  nft = await openNft(a);
  await nft.apply(BASE);
  journal = openNftReader(a).journal("ipv4", "t");
});
afterEach(() => {
  journal.close();
  nft.close();
});

/** A change behind this process' back: what it starts with exec() counts as its own doing. */
function byOthers(script: string): void {
  const { status, stderr } = spawnSync("nsenter", [`--net=${a.path}`, "nft", "-f", "-"], { input: script });
  expect([status, String(stderr)]).toEqual([0, ""]);
}

describe("journal()", () => {
  test("tells the elements that others add and delete, in order", () => {
    byOthers("add element ip t m { 10.96.0.1 . 80 : goto c, 10.96.0.2 . 80 : drop }\n");
    byOthers("add rule ip t c drop\ndelete element ip t m { 10.96.0.1 . 80 }\nadd element ip t s { 10.96.0.3 }\n");
    const changes = [...(journal.read() ?? [])];
    expect(changes.slice(0, 2).sort((one, two) => (one.key < two.key ? -1 : 1))).toEqual([
      { set: "m", key: "10.96.0.1 . 80", value: "goto c" },
      { set: "m", key: "10.96.0.2 . 80", value: "drop" },
    ]);
    expect(changes.slice(2)).toEqual([
      { set: "m", key: "10.96.0.1 . 80", value: undefined },
      { set: "s", key: "10.96.0.3", value: "" },
    ]);
    expect(journal.read()).toEqual([]);
  });

  test("tells every element of a map that others flush", async () => {
    const keys = Array.from({ length: 1000 }, (_, i) => `10.96.${i >> 8}.${i & 255} . 80`);
    await nft.apply(`add element ip t m { ${keys.map((key) => `${key} : drop`).join(", ")} }\n`);
    byOthers("flush map ip t m\n");
    const gone = journal.read()?.filter(({ value }) => value === undefined);
    expect(new Set(gone?.map(({ key }) => key))).toEqual(new Set(keys));
  });

  test("says nothing of our own changes, of other tables, and of sets that are gone again", async () => {
    await nft.apply("add element ip t s { 10.96.0.4 }\n");
    const second = await openNft(a); // its socket is younger than the journal
    await second.apply("add element ip t s { 10.96.0.5 }\n");
    byOthers("add element ip other s { 10.96.0.6 }\n");
    byOthers("add set ip t gone { type ipv4_addr; elements = { 10.96.0.7 } }\n");
    byOthers("delete set ip t gone\n");
    expect(journal.read()).toEqual([]);
    await second.apply("add element ip t s { 10.96.0.8 }\n");
    expect(journal.read()).toEqual([]);
    second.close();
  });

  test("takes no room for the first transaction of all", async () => {
    const first = await kernelOf(a).nft();
    const fresh = first.journal("ipv4", "t");
    const elements = Array.from({ length: 100_000 }, (_, i) => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`);
    await first.apply(`add element ip t s { ${elements.join(", ")} }\n`);
    expect(fresh.read()).toEqual([]);
    fresh.close();
    first.close();
  });

  test("takes no room for our own transactions, and tells when the kernel had none for those of others", async () => {
    const elements = Array.from({ length: 300_000 }, (_, i) => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`);
    await nft.apply(`add element ip t s { ${elements.join(", ")} }\n`);
    expect(journal.read()).toEqual([]);
    byOthers("flush set ip t s\n");
    expect(journal.read()).toBeUndefined();
    byOthers("add element ip t s { 10.96.0.9 }\n");
    expect(journal.read()).toEqual([{ set: "s", key: "10.96.0.9", value: "" }]);
  });
});
