import { describe, expect, test } from "vitest";
import { parseAddress, parseMac } from "../../../net/mod.ts";
import { printKeeperTable, strangersOf } from "../../../speaker/connection-keeper.ts";

describe("printKeeperTable()", () => {
  test("sends what is in the middle of an unknown connection to the keeper, unless a member sent it", () => {
    const pairs = [
      ["192.0.2.1", "10.0.0.11"],
      ["192.0.2.2", "10.0.0.12"],
    ] as const;
    expect(
      printKeeperTable("ipv4", pairs, ["02:00:00:00:00:01", "02:00:00:00:00:02"]),
    ).toBe(`table ip ironbridge-flows {
}
delete table ip ironbridge-flows
table ip ironbridge-flows {
  map keepers {
    type ipv4_addr : ipv4_addr
    elements = { 192.0.2.1 : 10.0.0.11, 192.0.2.2 : 10.0.0.12 }
  }
  set members {
    type ether_addr
    elements = { 02:00:00:00:00:01, 02:00:00:00:00:02 }
  }
  chain prerouting {
    type filter hook prerouting priority -150
    ip daddr @keepers tcp flags & (fin | syn | rst | ack) != syn ct state new ether saddr != @members dup to ip daddr map @keepers drop
  }
}
`);
  });

  test("of IPv6 is a table of its own, and of nothing none", () => {
    const table = printKeeperTable("ipv6", [["2001:db8::1", "fd00::11"]], []);
    expect(table).toContain("type ipv6_addr : ipv6_addr");
    expect(table).toContain("ip6 daddr @keepers tcp flags");
    expect(printKeeperTable("ipv6", [], ["02:00:00:00:00:01"])).toBe(
      "table ip6 ironbridge-flows {\n}\ndelete table ip6 ironbridge-flows\n",
    );
  });
});

describe("strangersOf()", () => {
  const own = [
    { ifindex: 2, address: parseAddress("192.0.2.11"), length: 24 },
    { ifindex: 3, address: parseAddress("2001:db8::11"), length: 64 },
  ];
  const neighbour = (text: string) => ({
    ifindex: 2,
    address: parseAddress(text),
    mac: parseMac("02:00:00:00:00:12"),
  });
  const cases: [string, string[], string[], [number, string][]][] = [
    ["an address in a subnet of ours", ["192.0.2.12", "2001:db8::12"], ["192.0.2.12"], [[3, "2001:db8::12"]]],
    ["none that is elsewhere: its packets would go to a router", ["198.51.100.12", "2001:db8:1::12"], [], []],
    ["none that is known", ["192.0.2.12", "2001:db8::12"], ["2001:db8::12", "192.0.2.12"], []],
  ];
  test.each(cases)("names %s", (_, addresses, known, want) => {
    const strange = strangersOf(addresses, known.map(neighbour), own);
    expect(strange).toEqual(want.map(([ifindex, text]) => ({ ifindex, address: parseAddress(text) })));
  });
});
