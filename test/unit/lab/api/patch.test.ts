import { describe, expect, test } from "vitest";
import type { ApiObject, Json } from "../../../../lab/api/json.ts";
import { builtinListMerge } from "../../../../lab/api/list-keys.ts";
import { jsonPatch, mergePatch } from "../../../../lab/api/merge-patch.ts";
import { applyFields } from "../../../../lab/api/server-side-apply.ts";
import { strategicMerge } from "../../../../lab/api/strategic-merge.ts";
import { refusal } from "./support.ts";

describe("mergePatch()", () => {
  // RFC 7386, appendix A
  const cases: [Json, Json, Json][] = [
    [{ a: "b" }, { a: "c" }, { a: "c" }],
    [{ a: "b" }, { b: "c" }, { a: "b", b: "c" }],
    [{ a: "b" }, { a: null }, {}],
    [{ a: "b", b: "c" }, { a: null }, { b: "c" }],
    [{ a: ["b"] }, { a: "c" }, { a: "c" }],
    [{ a: "c" }, { a: ["b"] }, { a: ["b"] }],
    [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }],
    [{ a: [{ b: "c" }] }, { a: [1] }, { a: [1] }],
    [
      ["a", "b"],
      ["c", "d"],
      ["c", "d"],
    ],
    [{ a: "foo" }, null, null],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: "b", c: null }, { a: "b" }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ];
  test.each(cases)("%j with %j is %j", (target, patch, want) => {
    expect(mergePatch(target, patch)).toEqual(want);
  });
});

describe("jsonPatch()", () => {
  test("applies all operations to a copy", () => {
    const target = Object.freeze({ a: Object.freeze([1, 2]) });
    expect(
      jsonPatch(target, [
        { op: "add", path: "/a/-", value: 3 },
        { op: "remove", path: "/a/0" },
      ]),
    ).toEqual({
      a: [2, 3],
    });
    expect(target).toEqual({ a: [1, 2] });
  });

  test("refuses a failed test and what is no list of operations", () => {
    expect(refusal(() => jsonPatch({ a: 1 }, [{ op: "test", path: "/a", value: 2 }])).status).toBe(422);
    expect(refusal(() => jsonPatch({ a: 1 }, { op: "remove" })).status).toBe(400);
  });
});

describe("strategicMerge()", () => {
  const container = (name: string, image: string) => ({ name, image });
  const containers = (...list: Json[]) => ({ spec: { containers: list } });
  const cases: { name: string; target: Json; patch: Json; want: Json }[] = [
    {
      name: "merges containers by name",
      target: containers(container("a", "1"), container("b", "1")),
      patch: containers({ name: "b", image: "2" }, container("c", "1")),
      want: containers(container("a", "1"), container("b", "2"), container("c", "1")),
    },
    {
      name: "deletes an element",
      target: containers(container("a", "1"), container("b", "1")),
      patch: containers({ name: "a", $patch: "delete" }),
      want: containers(container("b", "1")),
    },
    {
      name: "replaces a list when told to",
      target: containers(container("a", "1"), container("b", "1")),
      patch: containers({ $patch: "replace" }, container("c", "1")),
      want: containers(container("c", "1")),
    },
    {
      name: "puts elements into the order given, others stay in place",
      target: { spec: { ports: [{ port: 1 }, { port: 2 }, { port: 3 }] } },
      patch: { spec: { "$setElementOrder/ports": [{ port: 3 }, { port: 1 }], ports: [{ port: 3, name: "x" }] } },
      want: { spec: { ports: [{ port: 3, name: "x" }, { port: 2 }, { port: 1 }] } },
    },
    {
      name: "adds to and takes from a list of plain values",
      target: { metadata: { finalizers: ["a", "b"] } },
      patch: { metadata: { finalizers: ["c"], "$deleteFromPrimitiveList/finalizers": ["a"] } },
      want: { metadata: { finalizers: ["b", "c"] } },
    },
    {
      name: "replaces lists without a merge key",
      target: { spec: { loadBalancerSourceRanges: ["10.0.0.0/8"] } },
      patch: { spec: { loadBalancerSourceRanges: ["192.0.2.0/24"] } },
      want: { spec: { loadBalancerSourceRanges: ["192.0.2.0/24"] } },
    },
    {
      name: "keeps only the fields named by $retainKeys",
      target: { spec: { strategy: { type: "RollingUpdate", rollingUpdate: {} } } },
      patch: { spec: { strategy: { $retainKeys: ["type"], type: "Recreate" } } },
      want: { spec: { strategy: { type: "Recreate" } } },
    },
    {
      name: "deletes a field with null and an object's fields with $patch delete",
      target: { a: 1, b: { c: 1 } },
      patch: { a: null, b: { $patch: "delete" } },
      want: { b: {} },
    },
    {
      name: "merges conditions by type",
      target: { status: { conditions: [{ type: "Ready", status: "False", reason: "x" }] } },
      patch: { status: { conditions: [{ type: "Ready", status: "True" }] } },
      want: { status: { conditions: [{ type: "Ready", status: "True", reason: "x" }] } },
    },
  ];
  test.each(cases)("$name", ({ target, patch, want }) => {
    expect(strategicMerge(target, patch)).toEqual(want);
  });

  test("refuses an element without its merge key", () => {
    expect(refusal(() => strategicMerge({}, containers({ image: "x" }))).status).toBe(400);
  });
});

describe("applyFields()", () => {
  const object = (spec: Json): ApiObject => ({ apiVersion: "v1", kind: "Service", metadata: { name: "a" }, spec });
  const apply = (before: ApiObject | undefined, spec: Json, manager: string) =>
    applyFields(before, object(spec), manager, builtinListMerge, "2026-01-01T00:00:00Z");

  test("takes out what the manager applied before and left out now", () => {
    const first = apply(undefined, { type: "ClusterIP", selector: { app: "a", tier: "b" } }, "m");
    expect(apply(first, { selector: { app: "c" } }, "m").spec).toEqual({ selector: { app: "c" } });
  });

  test("keeps what another manager applied too, and what nobody applied", () => {
    const first = apply(undefined, { selector: { app: "a" } }, "m");
    const both = apply(
      { ...first, spec: { selector: { app: "a" }, clusterIP: "10.0.0.1" } },
      { selector: { app: "a" } },
      "n",
    );
    expect(apply(both, {}, "m").spec).toEqual({ selector: { app: "a" }, clusterIP: "10.0.0.1" });
  });

  test("merges ports by number and protocol, TCP when it is not said", () => {
    const first = apply(
      undefined,
      {
        ports: [
          { port: 80, name: "a" },
          { port: 53, protocol: "UDP" },
        ],
      },
      "m",
    );
    const filled = {
      ...first,
      spec: {
        ports: [
          { port: 80, protocol: "TCP", name: "a", nodePort: 30000 },
          { port: 53, protocol: "UDP" },
        ],
      },
    };
    expect(apply(filled, { ports: [{ port: 80, name: "b" }] }, "m").spec).toEqual({
      ports: [{ port: 80, protocol: "TCP", name: "b", nodePort: 30000 }],
    });
  });

  test("records the fields of each manager once", () => {
    const twice = apply(apply(undefined, { type: "ClusterIP" }, "m"), { type: "NodePort" }, "m");
    expect(twice.metadata.managedFields).toEqual([
      expect.objectContaining({ manager: "m", operation: "Apply", fieldsV1: { "f:spec": { "f:type": {} } } }),
    ]);
  });
});
