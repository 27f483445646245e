import { readdirSync } from "node:fs";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { explainError, hasCode } from "../../core/mod.ts";
import { exec, fakeNft, type Netns, type Nft, openIptables, openNft, watchNft } from "../../linux/mod.ts";
import { openNftProgram } from "../../linux/nft.ts";
import { waitFor } from "../support/wait.ts";
import { createNamespaces } from "./support/linux-namespaces.ts";

let a: Netns;
let remove: () => Promise<void>;
beforeAll(async () => {
  ({ a, remove } = await createNamespaces());
});
afterAll(() => remove());

const BASE = "add table ip t\nadd map ip t m { type ipv4_addr . inet_service : ipv4_addr; }\n";

describe.each([
  { name: "libnftables", open: openNft },
  { name: "the nft program", open: openNftProgram },
])("$name", ({ open }) => {
  let nft: Nft;
  beforeEach(async () => {
    nft = await open(a);
    await nft.apply(`flush ruleset\n${BASE}`);
  });
  afterEach(() => nft.close());

  test("apply() and list() speak nft's text", async () => {
    await nft.apply("add element ip t m { 192.0.2.1 . 80 : 192.0.2.9 }\n");
    expect(await nft.list("list map ip t m")).toContain("192.0.2.1 . 80 : 192.0.2.9");
    expect(await nft.list("list table ip nothing")).toBeUndefined();
    expect(await nft.list("list map ip t nothing")).toBeUndefined();
  });

  test("apply() is all or nothing and names the line", async () => {
    const script = `add table ip u\nadd element ip t m { 192.0.2.1 . 80 : 192.0.2.9 }\ndelete element ip t m { 192.0.2.7 . 7 }\n`;
    const refusal = await nft.apply(script).catch((error: unknown) => error);
    expect(hasCode(refusal, "IB_KERNEL_REFUSED")).toBe(true);
    expect(explainError(refusal)).toBe(
      "nft: Could not process rule: No such file or directory: line 3: delete element ip t m { 192.0.2.7 . 7 }",
    );
    expect(await nft.list("list table ip u")).toBeUndefined();
    expect(await nft.list("list map ip t m")).not.toContain("192.0.2.1");
  });

  test.each([
    { script: "add table\n", words: /syntax error.*line 1: add table$/ },
    {
      script: `${BASE}add element ip t nothing { 192.0.2.1 }\n`,
      words: /No such file or directory: line 3: add element/,
    },
    {
      script: `add table ip u\n\nadd chain ip u c { type nat hook bad priority 0; }`,
      words: /line 3: add chain ip u c/,
    },
  ])("refuses $script", async ({ script, words }) => {
    await expect(nft.apply(script)).rejects.toThrow(words);
  });

  test("shows only what is around a mistake in a long line", async () => {
    const many = Array.from({ length: 5000 }, (_, i) => `10.0.${i >> 8}.${i & 255} . 80 : 192.0.2.1`).join(", ");
    const refusal = await nft.apply(`add element ip t m { ${many}, mistake }\n`).catch((error: unknown) => error);
    expect(explainError(refusal)).toContain("mistake");
    expect(explainError(refusal).length).toBeLessThan(400);
  });

  test("calls queue up in the order they were made", async () => {
    const flips = Array.from({ length: 20 }, (_, i) =>
      i % 2 === 0 ? "add element ip t m { 192.0.2.1 . 80 : 192.0.2.9 }" : "delete element ip t m { 192.0.2.1 . 80 }",
    );
    await Promise.all(flips.map((script) => nft.apply(script)));
    expect(await nft.list("list map ip t m")).not.toContain("192.0.2.1");
  });

  test("the fake accepts and refuses the same scripts", async () => {
    const table = `add table ip f\nadd chain ip f c\nadd chain ip f d\nadd map ip f v { type ipv4_addr : verdict; }\n`;
    const scripts = [
      "delete table ip f",
      "flush table ip f",
      `${table}delete table ip f\n${table}`,
      "add table ip f",
      "add chain ip f c",
      "add rule ip f c jump d",
      "add rule ip f c ip daddr vmap @v",
      "add rule ip f c jump nothing",
      "add rule ip f c ip daddr @nothing drop",
      "add rule ip f nothing drop",
      "delete chain ip f d",
      "delete map ip f v",
      "add element ip f v { 192.0.2.1 : goto d }",
      "add element ip f v { 192.0.2.1 : goto d }",
      "add element ip f v { 192.0.2.1 : goto c }",
      "add element ip f v { 192.0.2.2 : goto nothing }",
      "add element ip f v { 192.0.2.3 : accept, 192.0.2.4 : drop }\ndelete element ip f v { 192.0.2.9 }",
      "delete element ip f v { 192.0.2.3 }",
      "flush chain ip f c",
      "delete chain ip f d",
      "delete element ip f v { 192.0.2.1 }",
      "delete chain ip f d",
      "delete chain ip f d",
      "add set ip f s { type ipv4_addr; flags interval; }\nadd element ip f s { 10.0.0.0/8 }\nflush set ip f s",
      "delete set ip f s",
      "delete set ip f s",
      "delete map ip f nothing",
      "flush chain ip f nothing",
      "add chain ip f h { type filter hook input priority filter; policy accept; }",
      "flush map ip f v\ndelete map ip f v\ndelete chain ip f c",
      "table ip f {\n  set p { type ipv4_addr; flags interval; elements = { 10.1.0.0/16, 10.2.0.0/16 }; }\n" +
        "  chain n { type nat hook postrouting priority srcnat; policy accept;\n    ip saddr @p masquerade\n  }\n}",
      "delete set ip f p",
      "delete chain ip f n\ndelete set ip f p",
      "delete table ip f\ndelete table ip f",
      "nonsense",
    ];
    const fake = fakeNft();
    const verdicts = async (target: Nft) => {
      const all: string[] = [];
      for (const script of scripts) {
        const verdict = await target.apply(script).then(
          () => "taken",
          () => "refused",
        );
        all.push(`${verdict}: ${script}`);
      }
      return all;
    };
    expect(await verdicts(fake)).toEqual(await verdicts(nft));
    // What is left reads the same.
    const bare = (text = "") => text.replace(/\s+/g, " ").trim();
    expect(bare(await fake.list("list table ip f"))).toBe(bare(await nft.list("list table ip f")));
  });
});

test("openNft() takes scripts of 5 MB", async () => {
  const nft = await openNft(a);
  const line = (i: number) => {
    const elements = Array.from({ length: 16 }, (_, k) => `10.${i >> 8}.${i & 255}.${k} . 80 : 192.0.2.9`);
    return `add element ip t m { ${elements.join(", ")} }\n`;
  };
  const script = Array.from({ length: 11_000 }, (_, i) => line(i)).join("");
  expect(script.length).toBeGreaterThan(5e6);
  await nft.apply(`flush ruleset\n${BASE}${script}`);
  await nft.apply("delete element ip t m { 10.42.247.15 . 80 }\n"); // the last one is there
  nft.close();
});

describe("watchNft()", () => {
  let changes = 0;
  let watch: { close(): void };
  let nft: Nft;
  beforeEach(async () => {
    nft = await openNft(a);
    await nft.apply(`flush ruleset\n${BASE}`);
    watch = watchNft(() => changes++, a);
    changes = 0;
  });
  afterEach(() => {
    watch.close();
    nft.close();
  });

  /** Milliseconds from a change by a program that is not our child to the call. */
  async function changeByOther(...command: readonly string[]): Promise<number> {
    const before = changes;
    // setsid forks, so that the program that changes the rules has another process id than the one we started.
    await exec("setsid", ["--fork", "--wait", ...command], { netns: a });
    const end = performance.now();
    await waitFor("the call", () => changes > before, { deadline: 1000, every: 2 });
    return performance.now() - end;
  }

  test.each([
    { who: "nft", command: ["nft", "add", "table", "ip", "foreign"] },
    { who: "iptables-nft", command: ["iptables-nft", "-A", "INPUT", "-j", "ACCEPT"] },
    { who: "a flush", command: ["nft", "flush", "ruleset"] },
  ])("calls within 100 ms of a change by $who", async ({ command }) => {
    expect(await changeByOther(...command)).toBeLessThan(100);
  });

  test("does not call for this process, its children, other namespaces, and changes that failed", async () => {
    await nft.apply("add element ip t m { 192.0.2.1 . 80 : 192.0.2.9 }\n");
    const second = await openNft(a);
    await second.apply("add table ip u\n");
    second.close();
    const program = await openNftProgram(a);
    await program.apply("add table ip v\n");
    const iptables = await openIptables("ipv4", "nft", a);
    await iptables.restore("*nat\n:LX - [0:0]\n-A LX -j RETURN\nCOMMIT\n");
    await nft.apply("delete table ip nothing\n").catch(() => {});
    await exec("setsid", ["--fork", "--wait", "nft", "list", "ruleset"], { netns: a });
    expect(changes).toBe(0);
    await changeByOther("nft", "add", "table", "ip", "last"); // proves that the notices before it have been read
    expect(changes).toBe(1);
  });

  test("does not call for our own transaction of 100,000 elements", async () => {
    const line = (i: number) => {
      const elements = Array.from({ length: 100 }, (_, k) => `10.1.${i >> 8}.${i & 255} . ${k + 1} : 192.0.2.9`);
      return `add element ip t m { ${elements.join(", ")} }\n`;
    };
    await nft.apply(Array.from({ length: 1000 }, (_, i) => line(i)).join(""));
    await changeByOther("nft", "add", "table", "ip", "last");
    expect(changes).toBe(1);
  });
});

test("openNft() and watchNft() leave no descriptor open", async () => {
  const count = () => readdirSync("/proc/self/fd").length;
  const before = count();
  for (let i = 0; i < 1000; i++) {
    const nft = await openNft(a);
    if (i % 10 === 0) await nft.apply(BASE);
    nft.close();
    watchNft(() => {}, a).close();
  }
  await waitFor("the contexts to be freed", () => count() === before, { deadline: 1000 });
});
