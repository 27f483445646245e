import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hasCode } from "../../core/mod.ts";
import { exec, fakeIptables, type Iptables, type IptablesVariant, type Netns, openIptables } from "../../linux/mod.ts";
import type { Family } from "../../net/mod.ts";
import { createNamespaces } from "./support/linux-namespaces.ts";

let a: Netns;
let b: Netns;
let remove: () => Promise<void>;
beforeAll(async () => {
  ({ a, b, remove } = await createNamespaces());
});
afterAll(() => remove());

const CASES: { variant: IptablesVariant; family: Family }[] = [
  { variant: "nft", family: "ipv4" },
  { variant: "nft", family: "ipv6" },
  { variant: "legacy", family: "ipv4" },
  { variant: "legacy", family: "ipv6" },
];

describe.each(CASES)("iptables $variant $family", ({ variant, family }) => {
  let iptables: Iptables;
  beforeAll(async () => {
    iptables = await openIptables(family, variant, a);
  });

  test("restore() keeps what it does not name; save() and list() read it back", async () => {
    await iptables.restore("*nat\n:LX-A - [0:0]\n-A LX-A -j RETURN\n-A PREROUTING -j LX-A\nCOMMIT\n");
    await iptables.restore(
      "*nat\n:LX-B - [0:0]\n-A LX-B -m statistic --mode random --probability 0.5 -j LX-A\nCOMMIT\n",
    );
    const saved = await iptables.save("nat");
    expect(saved).toContain("-A PREROUTING -j LX-A\n");
    expect(saved).toContain("-A LX-A -j RETURN\n");
    expect(saved).toContain("-A LX-B -m statistic");
    expect(await iptables.list("nat", "LX-A")).toBe("-N LX-A\n-A LX-A -j RETURN\n");
    expect(await iptables.list("nat", "LX-NOTHING")).toBeUndefined();
    expect(iptables).toMatchObject({ family, variant, randomFully: true });
  });

  test("stamp() changes with the rules of the legacy variant, and is nothing of the other", async () => {
    const stamp = iptables.stamp("nat");
    expect(iptables.stamp("nat")).toBe(stamp);
    await iptables.restore("*nat\n-A LX-A -j RETURN\nCOMMIT\n");
    if (variant === "nft") expect([stamp, iptables.stamp("nat")]).toEqual([undefined, undefined]);
    else expect(iptables.stamp("nat")).not.toBe(stamp);
    await iptables.restore("*nat\n-D LX-A -j RETURN\nCOMMIT\n");
    expect(iptables.stamp("nat")).toBe(stamp);
    expect(iptables.stamp("mangle")).toBeUndefined();
  });

  test.each([
    { name: "an unknown option", rule: "-A LX-C --bad 1", words: /unknown option.*line 4: -A LX-C --bad 1/ },
    { name: "a chain that is not there", rule: "-A LX-NOTHING -j RETURN", words: /line 4: -A LX-NOTHING -j RETURN/ },
    { name: "a jump to nowhere", rule: "-A LX-C -j LX-NOTHING", words: /LX-NOTHING/ },
    { name: "a name that is too long", rule: `-N ${"X".repeat(29)}`, words: /line 4: -N XXXX/ },
  ])("restore() refuses $name and changes nothing", async ({ rule, words }) => {
    const script = `*nat\n:LX-C - [0:0]\n-A LX-C -j RETURN\n${rule}\nCOMMIT\n`;
    const refusal = await iptables.restore(script).catch((error: unknown) => error);
    expect(hasCode(refusal, "IB_KERNEL_REFUSED")).toBe(true);
    expect(String(refusal)).toMatch(words);
    expect(await iptables.save("nat")).not.toContain("LX-C");
  });

  test("the fake accepts and refuses the same scripts", async () => {
    const table = (...lines: string[]) => ["*filter", ...lines, "COMMIT", ""].join("\n");
    const scripts = [
      table(":FX-A - [0:0]", "-A FX-A -j RETURN"),
      table("-A FX-B -j RETURN"),
      table(":FX-B - [0:0]", "-A FX-B -j FX-A", "-A INPUT -j FX-B"),
      table("-A FX-A -j FX-NOTHING"),
      table(":FX-A - [0:0]", "-X FX-A"),
      table("-F FX-B", "-X FX-A"),
      table("-X FX-B"),
      table("-D INPUT -j FX-B", "-X FX-B"),
      table("-D INPUT -j FX-B"),
      table("-X FX-B"),
      table("-I INPUT -j ACCEPT", "-I INPUT 2 -j DROP"),
      table("-I INPUT 9 -j ACCEPT"),
      table(":INPUT ACCEPT [0:0]"),
      table(`:${"Y".repeat(28)} - [0:0]`),
      table(`:${"Y".repeat(29)} - [0:0]`),
      "*filter\n-A INPUT -j ACCEPT\n",
      "*nothing\nCOMMIT\n",
      "-A INPUT -j ACCEPT\n",
      "*filter\n-A INPUT -j DROP\nCOMMIT\n*filter\n-A FX-NOTHING -j DROP\nCOMMIT\n",
      "",
    ];
    const verdicts = async (target: Iptables) => {
      const all: string[] = [];
      for (const script of scripts) {
        const verdict = await target.restore(script).then(
          () => "taken",
          () => "refused",
        );
        all.push(`${verdict}: ${script}`);
      }
      return all;
    };
    const fake = fakeIptables(family);
    expect(await verdicts(fake)).toEqual(await verdicts(iptables));
    expect(await fake.list("filter", "INPUT")).toBe(await iptables.list("filter", "INPUT"));
  });
});

describe("openIptables()", () => {
  test("auto takes nft where nothing is, legacy where its rules are, and does not make tables by looking", async () => {
    expect((await openIptables("ipv4", "auto", b)).variant).toBe("nft");
    const legacy = await openIptables("ipv4", "legacy", b);
    expect(await legacy.save("nat")).toBe("");
    expect(await legacy.list("nat", "PREROUTING")).toBeUndefined();
    expect(await exec("cat", ["/proc/net/ip_tables_names"], { netns: b })).toBe("");
    await legacy.restore("*filter\n-A INPUT -j ACCEPT\nCOMMIT\n");
    expect((await openIptables("ipv4", "auto", b)).variant).toBe("legacy");
    expect((await openIptables("ipv6", "auto", b)).variant).toBe("nft");
  });
});
