import type { SpecResult } from "./report.ts";

export type Results = ReadonlyMap<string, SpecResult>;

/** One row for each spec that ran anywhere, one column for each cluster; conformance specs first. Markdown. Pure. */
export function printTable(columns: Readonly<Record<string, Results>>, noteOf: (name: string) => string): string {
  const names = Object.keys(columns);
  const specs = new Map(Object.values(columns).flatMap((results) => [...results]));
  const rows = [...specs.values()].sort(
    (a, b) => Number(b.conformance) - Number(a.conformance) || (a.name < b.name ? -1 : 1),
  );
  const cell = (results: Results | undefined, name: string) => results?.get(name)?.outcome ?? "not run";
  return [
    `| spec | ${names.join(" | ")} | note |`,
    `| --- |${" --- |".repeat(names.length)} --- |`,
    ...rows.map(
      ({ name }) => `| ${name} | ${names.map((each) => cell(columns[each], name)).join(" | ")} | ${noteOf(name)} |`,
    ),
    `| **${rows.length} specs, passed** | ${names.map((each) => passedCount(columns[each])).join(" | ")} | |`,
  ].join("\n");
}

function passedCount(results: Results | undefined): number {
  return [...(results?.values() ?? [])].filter(({ outcome }) => outcome === "passed").length;
}

/** The specs that pass with `reference` and not with `results`. Pure. */
export function fallenBehind(results: Results, reference: Results): readonly SpecResult[] {
  return [...reference.values()]
    .filter(({ name, outcome }) => outcome === "passed" && results.get(name)?.outcome !== "passed")
    .map((spec) => results.get(spec.name) ?? { ...spec, outcome: "failed", message: "it did not run" });
}
