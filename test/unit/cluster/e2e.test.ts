import { describe, expect, test } from "vitest";
import { parseReport } from "../../cluster/e2e/report.ts";
import { fallenBehind, printTable } from "../../cluster/e2e/table.ts";

function report(specs: Readonly<Record<string, string>>): string {
  const SpecReports = Object.entries(specs).map(([name, State]) => ({
    LeafNodeType: "It",
    ContainerHierarchyTexts: ["[sig-network] Services"],
    LeafNodeText: name,
    State,
    RunTime: 2_500_000_000,
    ...(State === "passed" ? {} : { Failure: { Message: "no answer\nmore" } }),
  }));
  return JSON.stringify([
    { SpecReports: [...SpecReports, { LeafNodeType: "SynchronizedBeforeSuite", State: "passed" }] },
  ]);
}

describe("parseReport()", () => {
  test("gives the specs that ran, without those that found nothing to test", () => {
    const results = parseReport(report({ "works [Conformance]": "passed", fails: "failed", sits: "skipped" }));
    expect([...results.values()]).toEqual([
      { name: "Services works [Conformance]", conformance: true, outcome: "passed", took: 2.5, message: "" },
      { name: "Services fails", conformance: false, outcome: "failed", took: 2.5, message: "no answer" },
    ]);
  });

  test.each(["failed", "timedout", "panicked", "interrupted", "aborted"])("counts %s as failed", (state) => {
    expect(parseReport(report({ one: state })).get("Services one")?.outcome).toBe("failed");
  });
});

describe("fallenBehind()", () => {
  test("names what passes only with the reference, also when it did not run", () => {
    const reference = parseReport(report({ a: "passed", b: "passed", c: "failed", d: "passed" }));
    const ours = parseReport(report({ a: "passed", b: "failed", c: "failed" }));
    expect(fallenBehind(ours, reference).map(({ name, message }) => [name, message])).toEqual([
      ["Services b", "no answer"],
      ["Services d", "it did not run"],
    ]);
  });
});

describe("printTable()", () => {
  test("puts conformance specs first and counts what passed", () => {
    const columns = {
      one: parseReport(report({ a: "passed", "b [Conformance]": "failed" })),
      two: parseReport(report({ a: "passed" })),
    };
    expect(printTable(columns, (name) => (name.endsWith(" a") ? "a note" : ""))).toBe(`| spec | one | two | note |
| --- | --- | --- | --- |
| Services b [Conformance] | failed | not run |  |
| Services a | passed | passed | a note |
| **2 specs, passed** | 1 | 1 | |`);
  });
});
