import { describe, expect, test } from "vitest";
import { printEchoTable } from "../../../speaker/echo.ts";

describe("printEchoTable()", () => {
  test("replaces the table as a whole", () => {
    expect(printEchoTable(["192.0.2.1", "2001:db8::1", "192.0.2.2"])).toBe(`table inet ironbridge-echo {
}
delete table inet ironbridge-echo
table inet ironbridge-echo {
  set ipv4 {
    type ipv4_addr
    elements = { 192.0.2.1, 192.0.2.2 }
  }
  set ipv6 {
    type ipv6_addr
    elements = { 2001:db8::1 }
  }
  chain prerouting {
    type nat hook prerouting priority -101
    ip daddr @ipv4 icmp type echo-request redirect
    ip6 daddr @ipv6 icmpv6 type echo-request redirect
  }
}
`);
  });

  test("takes it away when no address is left", () => {
    expect(printEchoTable([])).toBe("table inet ironbridge-echo {\n}\ndelete table inet ironbridge-echo\n");
  });
});
