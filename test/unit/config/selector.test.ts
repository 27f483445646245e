import { describe, expect, test } from "vitest";
import { type LabelSelector, matchesAny, matchesSelector } from "../../../config/mod.ts";

const labels = { app: "web", tier: "gold" };

describe("matchesSelector()", () => {
  const expression = (operator: "In" | "NotIn" | "Exists" | "DoesNotExist", key: string, ...values: string[]) => ({
    matchExpressions: [values.length > 0 ? { key, operator, values } : { key, operator }],
  });
  const cases: { name: string; selector: LabelSelector; want: boolean }[] = [
    { name: "an empty selector matches everything", selector: {}, want: true },
    { name: "all of matchLabels must be there", selector: { matchLabels: { app: "web", tier: "gold" } }, want: true },
    { name: "one other value refuses", selector: { matchLabels: { app: "web", tier: "tin" } }, want: false },
    { name: "a label not there refuses", selector: { matchLabels: { zone: "" } }, want: false },
    { name: "no label is inherited from Object", selector: { matchLabels: { constructor: "x" } }, want: false },
    { name: "In finds one of the values", selector: expression("In", "app", "db", "web"), want: true },
    { name: "In needs the label", selector: expression("In", "zone", "a"), want: false },
    { name: "NotIn refuses one of the values", selector: expression("NotIn", "app", "web"), want: false },
    { name: "NotIn accepts other values", selector: expression("NotIn", "app", "db"), want: true },
    { name: "NotIn accepts a label not there", selector: expression("NotIn", "zone", "a"), want: true },
    { name: "Exists", selector: expression("Exists", "app"), want: true },
    { name: "Exists needs the label itself", selector: expression("Exists", "toString"), want: false },
    { name: "DoesNotExist", selector: expression("DoesNotExist", "zone"), want: true },
    { name: "DoesNotExist refuses a label there", selector: expression("DoesNotExist", "app"), want: false },
    {
      name: "labels and expressions must both hold",
      selector: { matchLabels: { app: "web" }, ...expression("DoesNotExist", "tier") },
      want: false,
    },
  ];
  test.each(cases)("$name", ({ selector, want }) => expect(matchesSelector(selector, labels)).toBe(want));

  test("an object without labels", () => {
    expect(matchesSelector({}, undefined)).toBe(true);
    expect(matchesSelector({ matchLabels: { app: "web" } }, undefined)).toBe(false);
  });
});

describe("matchesAny()", () => {
  test("one selector is enough", () => {
    expect(matchesAny([{ matchLabels: { app: "db" } }, { matchLabels: { app: "web" } }], labels)).toBe(true);
  });
  test("no selector matches nothing", () => expect(matchesAny([], labels)).toBe(false));
});
