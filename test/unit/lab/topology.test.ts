import { describe, expect, test } from "vitest";
import { planTopology } from "../../../lab/mod.ts";

describe("planTopology()", () => {
  test("has the fixed names and addresses", () => {
    const { lan, client, nodes } = planTopology(undefined, 3);
    expect([lan, client, ...nodes].map(({ netns, address }) => `${netns} ${address}`)).toEqual([
      "ib-lan 192.168.1.1",
      "ib-client 192.168.1.10",
      "ib-node1 192.168.1.11",
      "ib-node2 192.168.1.12",
      "ib-node3 192.168.1.13",
    ]);
  });

  test("puts the tag into the namespaces' names only", () => {
    expect(planTopology("t1", 1).nodes[0]).toEqual({ name: "node1", netns: "ib-t1-node1", address: "192.168.1.11" });
  });

  test("gives every host an IPv6 address beside its own where the LAN has both families", () => {
    const { lan, client, nodes } = planTopology(undefined, 2, "dual");
    expect([lan, client, ...nodes].map(({ address, ipv6 }) => `${address} ${ipv6}`)).toEqual([
      "192.168.1.1 fd00:1::1",
      "192.168.1.10 fd00:1::10",
      "192.168.1.11 fd00:1::11",
      "192.168.1.12 fd00:1::12",
    ]);
  });

  test.each([0, 90, 1.5, Number.NaN])("refuses %d nodes", (count) => {
    expect(() => planTopology(undefined, count)).toThrowError("want 1 to 89");
  });

  test.each(["", "A", "a-b", "aaaaaaaaaaaaaaaaa"])("refuses the tag %j", (tag) => {
    expect(() => planTopology(tag, 1)).toThrowError("lower-case letters and digits");
  });
});
