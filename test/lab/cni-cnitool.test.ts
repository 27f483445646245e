import { basename, join, resolve } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { exec } from "../../linux/mod.ts";
import { type CniLab, createCniLab, nodeObject } from "./support/cni-lab.ts";
import { askFrom, listenIn } from "./support/http.ts";

const PROGRAM = resolve(import.meta.dirname, "../../dist/cnitool");
const MODULE = join(import.meta.dirname, "cnitool");
const go = await execa("go", ["version"], { reject: false });

/** The CNI project's own client, with its own library: the one that runtimes use. */
describe.skipIf(go.failed)("cnitool", () => {
  let lab: CniLab;

  beforeAll(async () => {
    const args = ["-n", "19", "go", "build", "-C", MODULE, "-o", PROGRAM, "github.com/containernetworking/cni/cnitool"];
    await execa("nice", args, { env: { CGO_ENABLED: "0" } });
    lab = await createCniLab();
    lab.node1.start([nodeObject(1)]);
    await lab.node1.whenReady();
  }, 300_000);
  afterAll(() => lab?.remove());

  const cnitool = (command: string, netns: string, capabilities: object = {}) =>
    execa(PROGRAM, [command, "ironbridge", netns], {
      env: {
        CNI_PATH: lab.node1.options.binDir,
        NETCONFPATH: lab.node1.options.confDir,
        CAP_ARGS: JSON.stringify(capabilities),
      },
      reject: false,
    });

  test("adds, checks and deletes a pod by the installed list, in the newest version both speak", async () => {
    const netns = await lab.addPod();
    const portMappings = [{ hostPort: 8085, containerPort: 8080, protocol: "tcp", hostIP: "" }];
    const added = await cnitool("add", netns, { portMappings });
    expect(added.stderr).toBe("");
    const result = JSON.parse(added.stdout);
    expect(result.cniVersion).toBe("1.1.0");
    expect(result.ips).toHaveLength(2);
    const server = listenIn(netns, 8080);
    expect(await askFrom(lab.outside, "192.168.1.11", 8085)).toBe("192.168.1.10");
    server.close();

    expect((await cnitool("check", netns, { portMappings })).exitCode).toBe(0);
    await exec("ip", ["-n", basename(netns), "route", "del", "default"]);
    const checked = await cnitool("check", netns, { portMappings });
    expect([checked.exitCode, checked.stderr]).toEqual([1, expect.stringContaining("lacks a default route")]);

    expect((await cnitool("del", netns, { portMappings })).exitCode).toBe(0);
    await expect(exec("ip", ["-n", basename(netns), "link", "show", "eth0"])).rejects.toThrow();
    expect((await cnitool("del", netns)).exitCode).toBe(0);
  });

  test("is told that the node can take pods", async () => {
    expect((await cnitool("status", await lab.addPod())).exitCode).toBe(0);
  });
});
