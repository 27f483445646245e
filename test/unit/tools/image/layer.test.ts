import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { hasCode } from "../../../../core/mod.ts";
import { layerEntries } from "../../../../tools/image/layer.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "ib-layer-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

const paths = (sources: Parameters<typeof layerEntries>[0]) => layerEntries(sources).map(({ path }) => path);

describe("layerEntries()", () => {
  test("sorts, and adds the directories above", () => {
    const sources = [
      { to: "/b/c/file", content: "" },
      { to: "/a", link: "b" },
    ];
    expect(paths(sources)).toEqual(["a", "b", "b/c", "b/c/file"]);
  });

  test("takes a tree of this machine, whatever the order its names are read in", () => {
    mkdirSync(join(directory, "z/y"), { recursive: true });
    writeFileSync(join(directory, "z/y/file"), "");
    symlinkSync("z", join(directory, "a"));
    expect(paths([{ to: "/", from: directory }])).toEqual(["a", "z", "z/y", "z/y/file"]);
    expect(paths([{ to: "/opt/x", from: directory }]).slice(0, 3)).toEqual(["opt", "opt/x", "opt/x/a"]);
  });

  test("lets the later of two sources win", () => {
    const [entry] = layerEntries([
      { to: "/a", content: "first" },
      { to: "/a", link: "b" },
    ]);
    expect(entry).toMatchObject({ kind: "symlink", target: "b" });
  });

  test.each([
    { name: "a relative path", source: { to: "etc/a", content: "" } },
    { name: "a device", source: { to: "/null", from: "/dev/null" } },
  ])("refuses $name", ({ source }) => {
    const attempt = () => layerEntries([source]);
    expect(attempt).toThrowError(expect.toSatisfy((error: unknown) => hasCode(error, "IB_BUILD_FAILED")));
  });
});
