import { expect, test } from "vitest";
import { clearingPatch, clearUnavailable } from "../../../cni/node-condition.ts";
import type { V1Node } from "../../../kube/mod.ts";

const NOW = new Date("2026-01-02T03:04:05.678Z");
const node = (...conditions: readonly [type: string, status: string][]): V1Node => ({
  metadata: { name: "node1" },
  status: { conditions: conditions.map(([type, status]) => ({ type, status })) },
});

test("clearingPatch() replaces the condition where it stands, and only when it says that there is no network", () => {
  expect(clearingPatch(node(), NOW)).toBeUndefined();
  expect(clearingPatch(node(["Ready", "True"], ["NetworkUnavailable", "False"]), NOW)).toBeUndefined();
  for (const status of ["True", "Unknown"]) {
    const patch = clearingPatch(node(["Ready", "True"], ["NetworkUnavailable", status]), NOW);
    const value = expect.objectContaining({ status: "False", lastTransitionTime: "2026-01-02T03:04:05Z" });
    expect(patch).toEqual({
      kind: "json",
      body: [
        { op: "test", path: "/status/conditions/1/type", value: "NetworkUnavailable" },
        { op: "replace", path: "/status/conditions/1", value },
      ],
    });
  }
});

test("clearUnavailable() patches the node's status, or asks nothing of the API server", async () => {
  const asked: unknown[] = [];
  const client = {
    patch: async (...args: unknown[]) => {
      asked.push([args[1], args[3]]);
      return args[0] as never;
    },
  };
  await clearUnavailable(client, node(["Ready", "True"]), NOW);
  await clearUnavailable(client, node(["NetworkUnavailable", "True"]), NOW);
  expect(asked).toEqual([[{ name: "node1" }, "status"]]);
});
