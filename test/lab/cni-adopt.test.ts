import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { exec } from "../../linux/mod.ts";
import { type AddJson, type CniLab, createCniLab, nodeObject } from "./support/cni-lab.ts";
import { askFrom, listenIn } from "./support/http.ts";

const NODES = [nodeObject(1)];
let lab: CniLab;

beforeAll(async () => {
  lab = await createCniLab();
});
afterAll(() => lab.remove());

const storePath = () => join(lab.node1.options.stateDir, "pod-addresses.db");

/** As libcni writes it after ADD. */
function remember(containerId: string, netns: string, result: AddJson, capabilityArgs: object): void {
  const { resultDir } = lab.node1.options;
  mkdirSync(resultDir, { recursive: true });
  const entry = {
    kind: "cniCacheV1",
    containerId,
    ifName: "eth0",
    networkName: "ironbridge",
    netns,
    capabilityArgs,
    result,
  };
  writeFileSync(join(resultDir, `ironbridge-${containerId}-eth0`), JSON.stringify(entry));
}

const losses = [
  { name: "deleted", lose: () => rmSync(storePath()) },
  { name: "overwritten", lose: () => writeFileSync(storePath(), "no database any more".repeat(500)) },
  { name: "emptied", lose: () => writeFileSync(storePath(), "") },
];
test.each(losses)("a node whose store was $name keeps its pods, and no address has two", async ({ name, lose }) => {
  lab.node1.start(NODES);
  await lab.node1.whenReady();
  const [known, unknown, next] = await Promise.all([lab.addPod(), lab.addPod(), lab.addPod()]);
  const portMappings = [{ hostPort: 8081, containerPort: 8080, protocol: "tcp", hostIP: "" }];
  const config = { runtimeConfig: { portMappings } };
  const added = await lab.node1.call({ command: "ADD", containerId: `${name}-known`, netns: known, config });
  const result: AddJson = JSON.parse(added.stdout);
  remember(`${name}-known`, known, result, { portMappings });
  const other = await lab.node1.add(`${name}-unknown`, unknown);
  await lab.node1.kill();
  for (const suffix of ["-wal", "-shm"]) rmSync(`${storePath()}${suffix}`, { force: true });
  lose();
  await lab.node1.run("nft", "flush", "ruleset");

  lab.node1.start(NODES);
  await lab.node1.whenReady();
  const server = listenIn(known, 8080);
  expect(await askFrom(lab.outside, "192.168.1.11", 8081)).toBe("192.168.1.10"); // its host port came back too
  server.close();
  const third = await lab.node1.add(`${name}-next`, next);
  const knownAddress = result.ips[0]!.address.split("/")[0]!;
  expect(new Set([knownAddress, other.ipv4, third.ipv4]).size).toBe(3);
  const again = await lab.node1.call({ command: "ADD", containerId: `${name}-known`, netns: known });
  expect(JSON.parse(again.stdout).code).toBe(101);

  for (const id of ["known", "unknown", "next"]) {
    const gone = await lab.node1.call({ command: "DEL", containerId: `${name}-${id}` });
    expect(gone).toEqual({ exit: 0, stdout: "" });
  }
  await expect(exec("ip", ["-n", basename(unknown), "link", "show", "eth0"])).rejects.toThrow();
  expect(existsSync(`${storePath()}.damaged`)).toBe(name !== "deleted" && name !== "emptied");
  rmSync(`${storePath()}.damaged`, { force: true });
  await lab.node1.stop();
  const leases = await exec("python3", [
    "-c",
    `import sqlite3; print(sqlite3.connect("${storePath()}").execute("select count(*) from lease").fetchone()[0])`,
  ]);
  expect(leases.trim()).toBe("0");
});
