import { describe, expect, test } from "vitest";
import { fakeNft } from "../../../linux/nft-fake.ts";

const BASE = `add table ip t
add chain ip t c
add map ip t m { type ipv4_addr : verdict; }
`;

async function loaded() {
  const nft = fakeNft();
  await nft.apply(BASE);
  return nft;
}

// That it takes and refuses what the kernel does is tested against the kernel, in test/lab/linux-nft.test.ts.
describe("fakeNft()", () => {
  test("dumps what it holds as nft prints it", async () => {
    const nft = await loaded();
    await nft.apply(`# comment
add chain ip t h { type nat hook prerouting priority dstnat; policy accept; }
add rule ip t h ip daddr vmap @m
add element ip t m { 192.0.2.2 : goto c, 192.0.2.1 : drop }
`);
    expect(nft.dump()).toBe(`table ip t {
	map m {
		type ipv4_addr : verdict
		elements = { 192.0.2.1 : drop,
			     192.0.2.2 : goto c }
	}

	chain c {
	}

	chain h {
		type nat hook prerouting priority dstnat; policy accept;
		ip daddr vmap @m
	}
}
`);
    expect(await nft.list("list ruleset")).toBe(nft.dump());
    expect(await nft.list("list tables")).toBe("table ip t\n");
    expect(await nft.list("list chain ip t c")).toBe("table ip t {\n\tchain c {\n\t}\n}\n");
    expect(await nft.list("list map ip t nothing")).toBeUndefined();
    expect(await nft.list("list table ip nothing")).toBeUndefined();
  });

  test.each([
    "delete chain ip t nothing",
    "delete element ip t m { 192.0.2.9 }",
    "add element ip t m { 192.0.2.9 : goto nothing }",
    "add rule ip t c jump nothing",
    "delete map ip t nothing",
    "create everything",
  ])("takes back the whole transaction that ends with: %s", async (line) => {
    const nft = await loaded();
    await nft.apply("add element ip t m { 192.0.2.1 : drop }\nadd rule ip t c accept\n");
    const before = nft.dump();
    const script = `add table ip u
add element ip t m { 192.0.2.2 : drop }
delete element ip t m { 192.0.2.1 }
add rule ip t c drop
flush chain ip t c
flush map ip t m
delete table ip t
${BASE}${line}
`;
    await expect(nft.apply(script)).rejects.toThrow(`line 11: ${line}`);
    expect(nft.dump()).toBe(before);
    expect(nft.applied).toHaveLength(2);
  });

  test("reads whole tables in braces, rules after all chains", async () => {
    const nft = fakeNft();
    await nft.apply(`table inet t {
  set s { type ipv4_addr; flags interval; elements = { 10.0.0.0/8, 192.0.2.0/24 }; }
  chain first {
    type filter hook input priority filter; policy accept;
    ip saddr @s tcp dport { 80, 443 } jump second
  }
  chain second { accept; }
}
`);
    expect(await nft.list("list set inet t s")).toContain("\t\tflags interval\n\t\telements = { 10.0.0.0/8,");
    const first =
      "type filter hook input priority filter; policy accept;\n\t\tip saddr @s tcp dport { 80, 443 } jump second";
    expect(await nft.list("list chain inet t first")).toContain(first);
    expect(await nft.list("list chain inet t second")).toContain("\t\taccept\n");
  });

  test("refuses to change what an element leads to without deleting it", async () => {
    const nft = await loaded();
    await nft.apply("add element ip t m { 192.0.2.1 : drop }\n");
    await expect(nft.apply("add element ip t m { 192.0.2.1 : accept }\n")).rejects.toThrow("File exists");
    await nft.apply("delete element ip t m { 192.0.2.1 }\nadd element ip t m { 192.0.2.1 : accept }\n");
    expect(nft.dump()).toContain("192.0.2.1 : accept");
  });

  test("keeps 50,000 elements in hundreds of transactions quickly", async () => {
    const nft = await loaded();
    for (let i = 0; i < 500; i++) {
      const elements = Array.from({ length: 100 }, (_, k) => `10.${i >> 8}.${i & 255}.${k} : goto c`);
      await nft.apply(`add element ip t m { ${elements.join(", ")} }\n`);
    }
    expect((await nft.list("list map ip t m"))?.split("goto c")).toHaveLength(50_001);
  });
});
