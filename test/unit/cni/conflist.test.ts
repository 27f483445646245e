import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { pluginInstaller } from "../../../cni/conflist.ts";

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "ib-conf-"));
  writeFileSync(join(directory, "shim"), "one");
});
afterEach(() => rmSync(directory, { recursive: true }));

const path = (...names: string[]) => join(directory, ...names);
const installer = () =>
  pluginInstaller({ shimPath: path("shim"), binDir: path("bin"), confDir: path("net.d"), socketPath: "/run/a.sock" });

test("pluginInstaller() puts the program under both names and the list that names it, and nothing else", () => {
  installer()();
  expect(readdirSync(path("bin")).sort()).toEqual(["ironbridge-cni", "loopback"]);
  expect(statSync(path("bin", "ironbridge-cni")).mode & 0o777).toBe(0o755);
  expect(readdirSync(path("net.d"))).toEqual(["10-ironbridge.conflist"]);
  expect(JSON.parse(readFileSync(path("net.d", "10-ironbridge.conflist"), "utf8"))).toEqual({
    cniVersion: "1.0.0",
    cniVersions: ["1.0.0", "1.1.0"],
    name: "ironbridge",
    plugins: [
      {
        type: "ironbridge-cni",
        agentSocket: "/run/a.sock",
        capabilities: {
          portMappings: true,
          bandwidth: true,
          ips: true,
          ipRanges: true,
          mac: true,
          "io.kubernetes.cri.pod-annotations": true,
        },
      },
    ],
  });
});

test("pluginInstaller() leaves files alone that are right, and puts back what has gone", () => {
  const install = installer();
  install();
  const before = statSync(path("bin", "ironbridge-cni")).ino;
  install();
  installer()();
  expect(statSync(path("bin", "ironbridge-cni")).ino).toBe(before);
  rmSync(path("bin"), { recursive: true });
  rmSync(path("net.d"), { recursive: true });
  install();
  expect(readdirSync(path("bin")).sort()).toEqual(["ironbridge-cni", "loopback"]);
  expect(readdirSync(path("net.d"))).toEqual(["10-ironbridge.conflist"]);
});

test("pluginInstaller() replaces the program of another version", () => {
  installer()();
  writeFileSync(path("shim"), "two");
  installer()();
  expect(readFileSync(path("bin", "ironbridge-cni"), "utf8")).toBe("two");
});

test("pluginInstaller() brings its loopback plugin of an earlier version up to date", () => {
  mkdirSync(path("bin"));
  writeFileSync(path("bin", "loopback"), "earlier, which knows /run/ironbridge/cni.sock");
  installer()();
  expect(readFileSync(path("bin", "loopback"), "utf8")).toBe("one");
});

test("pluginInstaller() leaves the loopback plugin of others alone", () => {
  mkdirSync(path("bin"));
  writeFileSync(path("bin", "loopback"), "theirs");
  installer()();
  expect(readFileSync(path("bin", "loopback"), "utf8")).toBe("theirs");
});

describe("pluginInstaller() says whose configuration runtimes take", () => {
  const list = (...types: readonly string[]) =>
    JSON.stringify({ name: "theirs", plugins: types.map((type) => ({ type })) });
  const cases: [what: string, name: string, content: string, problem: string | undefined][] = [
    ["another list", "10-calico.conflist", list("calico", "portmap"), "10-calico.conflist (plugins calico, portmap)"],
    ["another plugin alone", "10-bridge.conf", '{"type":"bridge"}', "10-bridge.conf (plugins bridge)"],
    ["a broken file", "00-broken.json", "{", "00-broken.json (it is no CNI configuration)"],
    ["a list with it after others", "05-chain.conflist", list("macvlan", "ironbridge-cni"), undefined],
    ["a list that sorts later", "20-other.conflist", list("bridge"), undefined],
    ["a file of another kind", "00-notes.txt", "", undefined],
  ];
  test.each(cases)("%s", (_, name, content, problem) => {
    mkdirSync(path("net.d"));
    writeFileSync(path("net.d", name), content);
    const install = installer();
    if (problem === undefined) expect(install()).toBeUndefined();
    else expect(install()).toContain(problem);
    rmSync(path("net.d", name));
    expect(install()).toBeUndefined();
  });
});
