import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { hasCode } from "../../../core/mod.ts";
import {
  type Attachment,
  type CniOptions,
  cniAdd,
  cniDel,
  parseNetworkList,
  pluginInput,
  pluginMessage,
  readNetworkList,
} from "../../../lab/libcni.ts";

const list = {
  cniVersion: "1.0.0",
  name: "net",
  plugins: [
    { type: "first", mtu: 1400 },
    { type: "second", capabilities: { portMappings: true } },
  ],
};
const attachment: Attachment = {
  containerId: "c1",
  netnsPath: "/run/netns/pod",
  ifname: "eth0",
  capabilityArgs: { portMappings: [{ hostPort: 80 }], bandwidth: {} },
  podName: "web",
  podNamespace: "default",
  podUid: "u1",
};

describe("parseNetworkList()", () => {
  test.each([
    { name: "text that is not JSON", text: "{", want: "not JSON" },
    { name: "a list without a name", text: '{"plugins":[{"type":"a"}]}', want: "name is missing" },
    { name: "a list without plugins", text: '{"name":"n","plugins":[]}', want: "plugins is missing or empty" },
    { name: "a plugin without a type", text: '{"name":"n","plugins":[{}]}', want: "no type" },
  ])("refuses $name and names the file", ({ text, want }) => {
    const attempt = () => parseNetworkList(text, "/etc/a.conflist");
    expect(attempt).toThrowError(expect.toSatisfy((error: Error) => hasCode(error, "IB_CONFIG_INVALID")));
    expect(attempt).toThrowError(want);
    expect(attempt).toThrowError("/etc/a.conflist");
  });
});

describe("pluginInput()", () => {
  test("gives a plugin the list's name and version, its own settings and the result so far", () => {
    expect(pluginInput(list, list.plugins[0]!, {}, { ips: [] })).toEqual({
      type: "first",
      mtu: 1400,
      cniVersion: "1.0.0",
      name: "net",
      prevResult: { ips: [] },
    });
  });

  test("gives runtime values only for the capabilities the plugin declares", () => {
    expect(pluginInput(list, list.plugins[1]!, attachment.capabilityArgs, undefined)).toMatchObject({
      runtimeConfig: { portMappings: [{ hostPort: 80 }] },
    });
    expect(pluginInput(list, list.plugins[0]!, attachment.capabilityArgs, undefined)).not.toHaveProperty(
      "runtimeConfig",
    );
  });
});

describe("pluginMessage()", () => {
  test.each([
    {
      name: "the error object",
      stdout: '{"code":7,"msg":"bad subnet","details":"10/8"}',
      want: "bad subnet: 10/8 (code 7)",
    },
    { name: "the last words when there is no error object", stdout: "", want: "segfault" },
  ])("is $name", ({ stdout, want }) => expect(pluginMessage(stdout, "segfault\n", 139)).toBe(want));

  test("is the exit code when the plugin said nothing", () => expect(pluginMessage("", "", 9)).toBe("exit code 9"));
});

describe("cniAdd() and cniDel()", () => {
  let directory: string;
  let calls: {
    readonly plugin: string;
    readonly command: string | undefined;
    readonly input: Record<string, unknown>;
  }[];
  let options: CniOptions;
  let failing: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "libcni-"));
    calls = [];
    failing = "";
    for (const type of ["first", "second"]) {
      await writeFile(join(directory, type), "");
      await chmod(join(directory, type), 0o755);
    }
    options = {
      confDir: join(directory, "conf"),
      binDirs: [join(directory, "nowhere"), directory],
      cacheDir: join(directory, "cache"),
      run: async (path, env, stdin) => {
        const plugin = path.slice(directory.length + 1);
        calls.push({ plugin, command: env.CNI_COMMAND, input: JSON.parse(stdin) });
        if (plugin === failing) return { exitCode: 1, stdout: '{"code":11,"msg":"try later"}', stderr: "" };
        return { exitCode: 0, stdout: JSON.stringify({ by: plugin, ips: [{ address: "10.0.0.2/24" }] }), stderr: "" };
      },
    };
  });
  afterEach(() => rm(directory, { recursive: true }));

  test("ADD runs front to back and each plugin gets the result of the one before", async () => {
    expect(await cniAdd(options, list, attachment)).toMatchObject({ by: "second" });
    expect(calls.map(({ plugin }) => plugin)).toEqual(["first", "second"]);
    expect(calls[0]?.input).not.toHaveProperty("prevResult");
    expect(calls[1]?.input.prevResult).toMatchObject({ by: "first" });
  });

  test("DEL runs back to front with the final result of ADD, also when the list has changed since", async () => {
    await cniAdd(options, list, attachment);
    calls = [];
    await cniDel(options, { ...list, plugins: [{ type: "other" }] }, attachment);
    expect(calls.map(({ plugin, command }) => `${command} ${plugin}`)).toEqual(["DEL second", "DEL first"]);
    expect(calls.every(({ input }) => (input.prevResult as { by: string }).by === "second")).toBe(true);
    expect(await readdir(options.cacheDir)).toEqual([]);
  });

  test("ADD stops at the first failure, names pod and plugin, and keeps no result", async () => {
    failing = "first";
    const attempt = cniAdd(options, list, attachment);
    await expect(attempt).rejects.toThrowError("plugin first failed ADD of pod default/web: try later (code 11)");
    expect(calls).toHaveLength(1);
    failing = "";
    await cniDel(options, list, attachment);
    expect(calls.slice(1).every(({ input }) => !("prevResult" in input))).toBe(true);
  });

  test("readNetworkList() takes the first list by file name, and none from a directory that is not there", async () => {
    expect(await readNetworkList(options.confDir)).toBeUndefined();
    await mkdir(options.confDir);
    await writeFile(join(options.confDir, "20-b.conflist"), JSON.stringify({ ...list, name: "b" }));
    await writeFile(join(options.confDir, "10-a.conflist"), JSON.stringify({ ...list, name: "a" }));
    await writeFile(join(options.confDir, "00-old.conf"), "{}");
    expect((await readNetworkList(options.confDir))?.name).toBe("a");
  });
});
