import { describe, expect, test } from "vitest";
import { fakeIptables } from "../../../linux/iptables-fake.ts";

// That it takes and refuses what the kernel does is tested against the kernel, in test/lab/linux-iptables.test.ts.
describe("fakeIptables()", () => {
  test("keeps what a script does not name and empties the chains it declares", async () => {
    const iptables = fakeIptables();
    await iptables.restore("*nat\n:A - [0:0]\n:B - [0:0]\n-A A -j RETURN\n-A B -j A\n-A PREROUTING -j B\nCOMMIT\n");
    await iptables.restore("*nat\n:A - [0:0]\n:PREROUTING ACCEPT [0:0]\n-A A -p tcp -j ACCEPT\n-I A -j B\nCOMMIT\n");
    expect(iptables.dump()).toBe(`*nat
:A - [0:0]
:B - [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:PREROUTING ACCEPT [0:0]
-A A -j B
-A A -p tcp -j ACCEPT
-A B -j A
-A PREROUTING -j B
COMMIT
`);
    expect(await iptables.save("nat")).toBe(iptables.dump());
    expect(await iptables.save("filter")).toBe("");
    expect(await iptables.list("nat", "PREROUTING")).toBe("-P PREROUTING ACCEPT\n-A PREROUTING -j B\n");
    expect(await iptables.list("nat", "A")).toBe("-N A\n-A A -j B\n-A A -p tcp -j ACCEPT\n");
    expect(await iptables.list("nat", "NOTHING")).toBeUndefined();
    expect(iptables.restored).toHaveLength(2);
  });

  test("a table with a mistake stays as it was, tables committed before it do not", async () => {
    const iptables = fakeIptables();
    const script = "*nat\n-A OUTPUT -j ACCEPT\nCOMMIT\n*filter\n-A INPUT -j ACCEPT\n-A INPUT -j NOTHING\nCOMMIT\n";
    await expect(iptables.restore(script)).rejects.toThrow(
      "chain 'NOTHING' does not exist: line 6: -A INPUT -j NOTHING",
    );
    expect(await iptables.save("filter")).toBe("");
    expect(await iptables.list("nat", "OUTPUT")).toContain("-A OUTPUT -j ACCEPT");
  });
});
