import { describe, expect, test } from "vitest";
import type { V1Node, V1Pod } from "../../../../kube/mod.ts";
import { chooseNode } from "../../../../lab/controllers/mod.ts";

function node(name: string, change: { readonly ready?: boolean; readonly spec?: V1Node["spec"] } = {}): V1Node {
  const status = change.ready === false ? "False" : "True";
  return {
    metadata: { name, labels: { "kubernetes.io/hostname": name } },
    ...(change.spec !== undefined ? { spec: change.spec } : {}),
    status: { conditions: [{ type: "Ready", status }] },
  };
}

function pod(
  name: string,
  change: { readonly owner?: string; readonly node?: string; readonly selector?: string } = {},
): V1Pod {
  const { owner, node: nodeName, selector } = change;
  return {
    metadata: {
      name,
      ...(owner !== undefined
        ? {
            ownerReferences: [{ apiVersion: "apps/v1", kind: "ReplicaSet", name: owner, uid: owner, controller: true }],
          }
        : {}),
    },
    spec: {
      containers: [],
      ...(nodeName !== undefined ? { nodeName } : {}),
      ...(selector !== undefined ? { nodeSelector: { "kubernetes.io/hostname": selector } } : {}),
    },
  };
}

const nodes = [node("node1"), node("node2"), node("node10")];

describe("chooseNode()", () => {
  test("takes the first node by number when all are empty", () => {
    expect(chooseNode(pod("a"), nodes.toReversed(), [])).toEqual({ kind: "node", name: "node1" });
  });

  test("spreads the pods of one owner before it evens out the rest", () => {
    const placed = [
      pod("a", { owner: "web", node: "node1" }),
      pod("b", { node: "node2" }),
      pod("c", { node: "node2" }),
    ];
    const more = [...placed, pod("d", { owner: "web", node: "node10" })];
    expect(chooseNode(pod("e", { owner: "web" }), nodes, more)).toEqual({ kind: "node", name: "node2" });
  });

  test("obeys the node selector", () => {
    expect(chooseNode(pod("a", { selector: "node10" }), nodes, [])).toEqual({ kind: "node", name: "node10" });
  });

  test("says how many nodes refuse and why", () => {
    const some = [node("node1", { ready: false }), node("node2", { spec: { unschedulable: true } }), node("node3")];
    expect(chooseNode(pod("a", { selector: "node9" }), some, [])).toEqual({
      kind: "none",
      why: "0/3 nodes are available, 1 node(s) didn't match Pod's node affinity/selector, 1 node(s) were not ready, 1 node(s) were unschedulable.",
    });
  });
});
