import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { crdOf, KINDS } from "../../../config/mod.ts";

const folder = join(import.meta.dirname, "../../../deploy/crds");

describe("crdOf()", () => {
  test.each(KINDS)("$resource.kind is what deploy/crds holds", ({ resource, kind }) => {
    const file = join(folder, `${resource.group}_${resource.plural}.yaml`);
    expect(parse(readFileSync(file, "utf8"))).toEqual(crdOf(resource, kind));
  });

  test("deploy/crds holds nothing else", () => {
    expect(readdirSync(folder)).toHaveLength(KINDS.length);
  });

  test.each(KINDS)("$resource.kind has a structural schema", ({ resource, kind }) => {
    const crd = JSON.parse(JSON.stringify(crdOf(resource, kind)));
    for (const { schema } of crd.spec.versions) expect(untyped(schema.openAPIV3Schema, "")).toEqual([]);
  });
});

/** Paths of schema nodes without a type, which the API server refuses in a structural schema. */
function untyped(schema: Record<string, unknown>, path: string): string[] {
  const children: [string, Record<string, unknown>][] = Object.entries(
    (schema.properties ?? {}) as Record<string, Record<string, unknown>>,
  ).map(([name, child]) => [`${path}.${name}`, child]);
  if (schema.items !== undefined) children.push([`${path}[]`, schema.items as Record<string, unknown>]);
  const own = typeof schema.type === "string" ? [] : [path];
  return [...own, ...children.flatMap(([childPath, child]) => untyped(child, childPath))];
}
