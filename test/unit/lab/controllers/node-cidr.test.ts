import { describe, expect, test } from "vitest";
import type { V1Node } from "../../../../kube/mod.ts";
import { assignPodCidrs } from "../../../../lab/controllers/mod.ts";

const node = (name: string, podCIDR?: string): V1Node => ({
  metadata: { name },
  ...(podCIDR !== undefined ? { spec: { podCIDR } } : {}),
});

describe("assignPodCidrs()", () => {
  test("gives a node the prefix of its own number", () => {
    expect([...assignPodCidrs([node("node2"), node("node10"), node("node1")], "ipv4")]).toEqual([
      ["node1", ["10.244.1.0/24"]],
      ["node2", ["10.244.2.0/24"]],
      ["node10", ["10.244.10.0/24"]],
    ]);
  });

  test("gives one of each family where there are two", () => {
    expect([...assignPodCidrs([node("node10")], "dual").values()]).toEqual([["10.244.10.0/24", "fd00:244:0:a::/64"]]);
  });

  test("gives the lowest free one to a node whose number is taken or that has none", () => {
    const nodes = [node("node2"), node("worker"), node("other", "10.244.2.0/24")];
    expect([...assignPodCidrs(nodes, "ipv4").values()].flat().sort()).toEqual(["10.244.1.0/24", "10.244.3.0/24"]);
  });

  test("leaves nodes alone that have one", () => {
    expect(assignPodCidrs([node("node1", "10.244.9.0/24")], "ipv4").size).toBe(0);
  });
});
