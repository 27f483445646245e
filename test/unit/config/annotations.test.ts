import { describe, expect, test } from "vitest";
import { ANNOTATION, annotationKey, annotationOf, legacyAnnotations } from "../../../config/mod.ts";

const object = (annotations: Record<string, string>) => ({ metadata: { annotations } });

describe("annotationOf()", () => {
  const cases = [
    { name: "the present name", annotations: { "metallb.io/address-pool": "a" }, want: "a" },
    { name: "the legacy name", annotations: { "metallb.universe.tf/address-pool": "b" }, want: "b" },
    {
      name: "the present name wins",
      annotations: { "metallb.io/address-pool": "a", "metallb.universe.tf/address-pool": "b" },
      want: "a",
    },
    {
      name: "the present name wins even when empty",
      annotations: { "metallb.io/address-pool": "", "metallb.universe.tf/address-pool": "b" },
      want: "",
    },
    { name: "another annotation", annotations: { "metallb.io/allow-shared-ip": "k" }, want: undefined },
  ];
  test.each(cases)("$name", ({ annotations, want }) => {
    expect(annotationOf(object(annotations), ANNOTATION.addressPool)).toBe(want);
  });

  test("an object without metadata", () => expect(annotationOf({}, ANNOTATION.addressPool)).toBeUndefined());
});

test("annotationKey() is the name written to objects", () => {
  expect(annotationKey(ANNOTATION.allocatedFromPool)).toBe("metallb.io/ip-allocated-from-pool");
});

test("legacyAnnotations() lists what should be renamed", () => {
  const annotations = { "metallb.universe.tf/b": "", "metallb.io/a": "", "metallb.universe.tf/a": "", other: "" };
  expect(legacyAnnotations(object(annotations))).toEqual(["metallb.universe.tf/a", "metallb.universe.tf/b"]);
});
