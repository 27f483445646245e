import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { exec } from "../../linux/mod.ts";
import { callPlugin } from "./support/cni-lab.ts";

const NAME = "ib-cnl-pod";
const NETNS = `/run/netns/${NAME}`;
const ROOT = resolve(import.meta.dirname, "../..");
let directory = "";

beforeAll(async () => {
  await exec(join(ROOT, "tools/build-shim"), []);
  directory = mkdtempSync(join(tmpdir(), "ib-cnl-"));
  copyFileSync(join(ROOT, "dist/ironbridge-cni"), join(directory, "loopback"));
  await exec("ip", ["netns", "add", NAME]);
});
afterAll(async () => {
  await exec("ip", ["netns", "del", NAME]);
  rmSync(directory, { recursive: true });
});

async function call(command: string, netns = NETNS, config: object = {}) {
  const stdin = JSON.stringify({ cniVersion: "0.3.1", name: "cni-loopback", type: "loopback", ...config });
  const { exit, stdout } = await callPlugin(
    join(directory, "loopback"),
    { command, containerId: "c", netns, ifname: "lo" },
    stdin,
  );
  return { exit, answer: stdout === "" ? undefined : JSON.parse(stdout) };
}

const isUp = async () => (await exec("ip", ["-n", NAME, "link", "show", "lo"])).includes("LOOPBACK,UP");

describe("the plugin loopback", () => {
  test("sets lo up and down, and CHECK sees which", async () => {
    const ips = [
      { version: "4", address: "127.0.0.1/8", interface: 0 },
      { version: "6", address: "::1/128", interface: 0 },
    ];
    const interfaces = [{ name: "lo", mac: "00:00:00:00:00:00", sandbox: NETNS }];
    expect(await call("ADD")).toEqual({ exit: 0, answer: { cniVersion: "0.3.1", interfaces, ips, dns: {} } });
    expect(await isUp()).toBe(true);
    expect(await call("CHECK")).toEqual({ exit: 0, answer: undefined });
    expect(await call("DEL")).toEqual({ exit: 0, answer: undefined });
    expect(await isUp()).toBe(false);
    expect((await call("CHECK")).answer.code).toBe(102);
  });

  test("leaves out the families' names from 1.0.0 on", async () => {
    const { answer } = await call("ADD", NETNS, { cniVersion: "1.0.0" });
    expect(answer.ips[0]).toEqual({ address: "127.0.0.1/8", interface: 0 });
  });

  test("succeeds where nothing is to be done, and names what is wrong elsewhere", async () => {
    for (const command of ["GC", "STATUS"]) expect((await call(command)).exit).toBe(0);
    for (const netns of ["", "/run/netns/ib-cnl-none"]) expect((await call("DEL", netns)).exit).toBe(0);
    expect((await call("ADD", "")).answer.code).toBe(4);
    expect((await call("ADD", "/run/netns/ib-cnl-none")).answer.code).toBe(8);
    expect((await call("ADD", "/etc/hostname")).answer.code).toBe(8);
    expect((await call("ADD", NETNS, { prevResult: {} })).answer.code).toBe(7);
    expect((await call("VERSION")).answer.supportedVersions).toContain("0.3.1");
  });
});
