import { describe, expect, test } from "vitest";
import { printKeeperTable } from "../../../speaker/connection-keeper.ts";

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
