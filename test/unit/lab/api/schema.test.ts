import { describe, expect, test } from "vitest";
import type { Json } from "../../../../lab/api/json.ts";
import { type Schema, schemaErrors, withDefaults, withoutUnknown } from "../../../../lab/api/schema.ts";

const schema: Schema = {
  type: "object",
  required: ["spec"],
  properties: {
    spec: {
      type: "object",
      required: ["addresses"],
      properties: {
        addresses: { type: "array", minItems: 1, items: { type: "string", pattern: "^[0-9.]+$" } },
        mode: { type: "string", enum: ["a", "b"], default: "a" },
        count: { type: "integer", minimum: 1, maximum: 9 },
        port: { "x-kubernetes-int-or-string": true },
        labels: { type: "object", additionalProperties: { type: "string" } },
        free: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
        peers: {
          type: "array",
          "x-kubernetes-list-type": "map",
          "x-kubernetes-list-map-keys": ["name"],
          items: { type: "object", properties: { name: { type: "string" }, weight: { type: "integer", default: 1 } } },
        },
        choice: { oneOf: [{ type: "string" }, { type: "integer" }] },
        none: { type: "string", nullable: true },
      },
    },
  },
};
const good = { apiVersion: "v1", kind: "K", metadata: { name: "x" }, spec: { addresses: ["1.2.3.4"] } };

describe("schemaErrors()", () => {
  test("finds nothing wrong with a good object", () => {
    const spec = { ...good.spec, mode: "b", count: 9, port: "http", labels: { a: "b" }, choice: 1, none: null };
    expect(schemaErrors(schema, { ...good, spec })).toEqual([]);
  });

  const cases: { spec: Json | undefined; want: string }[] = [
    { spec: undefined, want: "spec: Required value" },
    { spec: {}, want: "spec.addresses: Required value" },
    { spec: { addresses: [] }, want: "spec.addresses: Invalid value: []: should have at least 1 items" },
    { spec: { addresses: "x" }, want: 'spec.addresses: Invalid value: "x": must be of type array: "string"' },
    { spec: { addresses: ["x"] }, want: `spec.addresses[0]: Invalid value: "x": should match '^[0-9.]+$'` },
    { spec: { ...good.spec, mode: "c" }, want: 'spec.mode: Unsupported value: "c": supported values: "a", "b"' },
    { spec: { ...good.spec, count: 0 }, want: "spec.count: Invalid value: 0: should be greater than or equal to 1" },
    { spec: { ...good.spec, count: 1.5 }, want: 'spec.count: Invalid value: 1.5: must be of type integer: "number"' },
    { spec: { ...good.spec, port: true }, want: "spec.port: Invalid value: true: must be an integer or a string" },
    {
      spec: { ...good.spec, labels: { a: 1 } },
      want: 'spec.labels.a: Invalid value: 1: must be of type string: "integer"',
    },
    {
      spec: { ...good.spec, peers: [{ name: "a" }, { name: "a" }] },
      want: 'spec.peers[1]: Duplicate value: "object"',
    },
    {
      spec: { ...good.spec, choice: true },
      want: "spec.choice: Invalid value: true: must validate one and only one schema (oneOf)",
    },
  ];
  test.each(cases)("$want", ({ spec, want }) => {
    expect(schemaErrors(schema, { ...good, spec }).map(({ field, message }) => `${field}: ${message}`)).toEqual([want]);
  });
});

test("withDefaults() fills fields of what is there, also in lists", () => {
  const spec = { addresses: [], peers: [{ name: "a" }] };
  expect(withDefaults(schema, { spec })).toEqual({
    spec: { addresses: [], mode: "a", peers: [{ name: "a", weight: 1 }] },
  });
  expect(withDefaults(schema, {})).toEqual({});
});

test("withoutUnknown() names what it drops and keeps what may be unknown", () => {
  const spec = { addresses: [], adresses: 1, free: { any: 1 }, peers: [{ name: "a", wait: 1 }] };
  const { value, unknown } = withoutUnknown(schema, { ...good, spec });
  expect(unknown).toEqual(["spec.adresses", "spec.peers[0].wait"]);
  expect(value).toEqual({ ...good, spec: { addresses: [], free: { any: 1 }, peers: [{ name: "a" }] } });
});
