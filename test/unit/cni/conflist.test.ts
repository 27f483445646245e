import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { installPlugin } from "../../../cni/conflist.ts";

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "ib-conf-"));
  writeFileSync(join(directory, "shim"), "one");
});
afterEach(() => rmSync(directory, { recursive: true }));

const path = (...names: string[]) => join(directory, ...names);
const install = () =>
  installPlugin({ shimPath: path("shim"), binDir: path("bin"), confDir: path("net.d"), socketPath: "/run/a.sock" });

test("installPlugin() puts the program and the list that names it, and nothing else", () => {
  install();
  expect(readdirSync(path("bin"))).toEqual(["ironbridge-cni"]);
  expect(statSync(path("bin", "ironbridge-cni")).mode & 0o777).toBe(0o755);
  expect(readdirSync(path("net.d"))).toEqual(["10-ironbridge.conflist"]);
  expect(JSON.parse(readFileSync(path("net.d", "10-ironbridge.conflist"), "utf8"))).toEqual({
    cniVersion: "1.0.0",
    name: "ironbridge",
    plugins: [{ type: "ironbridge-cni", agentSocket: "/run/a.sock" }],
  });
});

test("installPlugin() leaves files alone that are right, and replaces the ones that are not", () => {
  install();
  const before = statSync(path("bin", "ironbridge-cni")).ino;
  install();
  expect(statSync(path("bin", "ironbridge-cni")).ino).toBe(before);
  writeFileSync(path("shim"), "two");
  rmSync(path("net.d", "10-ironbridge.conflist"));
  install();
  expect(readFileSync(path("bin", "ironbridge-cni"), "utf8")).toBe("two");
  expect(readdirSync(path("net.d"))).toEqual(["10-ironbridge.conflist"]);
});
