import { describe, expect, test } from "vitest";
import type { V1Pod } from "../../../../kube/mod.ts";
import { decideReplicaSet } from "../../../../lab/controllers/mod.ts";

function pod(
  name: string,
  change: { readonly ready?: boolean; readonly node?: string; readonly made?: number } = {},
): V1Pod {
  const { ready = true, node = "node1", made = 0 } = change;
  return {
    metadata: { name, namespace: "default", creationTimestamp: new Date(made).toISOString() },
    spec: { containers: [], ...(node === "" ? {} : { nodeName: node }) },
    status: { conditions: [{ type: "Ready", status: ready ? "True" : "False" }] },
  };
}
const gone: V1Pod = { ...pod("gone"), metadata: { name: "gone", deletionTimestamp: "2026-01-01T00:00:00Z" } };
const failed: V1Pod = { ...pod("failed"), status: { phase: "Failed" } };

describe("decideReplicaSet()", () => {
  test("makes what is missing; pods that are going or have failed do not count", () => {
    expect(decideReplicaSet(3, [pod("a"), gone, failed])).toEqual({ create: 2, remove: [] });
  });

  test("does nothing when the number is right", () => {
    expect(decideReplicaSet(1, [pod("a")])).toEqual({ create: 0, remove: [] });
  });

  test("removes first what does no work yet, then the youngest", () => {
    const pods = [
      pod("old"),
      pod("young", { made: 9 }),
      pod("unready", { ready: false }),
      pod("waiting", { node: "" }),
    ];
    const names = (wanted: number) => decideReplicaSet(wanted, pods).remove.map(({ metadata }) => metadata?.name);
    expect(names(3)).toEqual(["waiting"]);
    expect(names(2)).toEqual(["waiting", "unready"]);
    expect(names(1)).toEqual(["waiting", "unready", "young"]);
  });
});
