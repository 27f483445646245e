import { existsSync, rmSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { exec } from "../../linux/mod.ts";
import { type AddJson, type CniLab, createCniLab, nodeObject } from "./support/cni-lab.ts";
import { askFrom, listenIn } from "./support/http.ts";
import { remember } from "./support/result-cache.ts";

const NODES = [nodeObject(1)];
let lab: CniLab;

beforeAll(async () => {
  lab = await createCniLab();
});
afterAll(() => lab.remove());

const losses = [
  { name: "deleted", lose: () => rmSync(lab.node1.storePath) },
  { name: "overwritten", lose: () => writeFileSync(lab.node1.storePath, "no database any more".repeat(500)) },
  { name: "emptied", lose: () => writeFileSync(lab.node1.storePath, "") },
];
test.each(losses)("a node whose store was $name keeps its pods, and no address has two", async ({ name, lose }) => {
  lab.node1.start(NODES);
  await lab.node1.whenReady();
  const [known, unknown, next] = await Promise.all([lab.addPod(), lab.addPod(), lab.addPod()]);
  const portMappings = [{ hostPort: 8081, containerPort: 8080, protocol: "tcp", hostIP: "" }];
  const config = { runtimeConfig: { portMappings } };
  const added = await lab.node1.call({ command: "ADD", containerId: `${name}-known`, netns: known, config });
  const result: AddJson = JSON.parse(added.stdout);
  const { resultDir } = lab.node1.options;
  remember(resultDir, { containerId: `${name}-known`, netns: known, result, capabilityArgs: { portMappings } });
  const other = await lab.node1.add(`${name}-unknown`, unknown);
  await lab.node1.kill();
  for (const suffix of ["-wal", "-shm"]) rmSync(`${lab.node1.storePath}${suffix}`, { force: true });
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
  expect(existsSync(`${lab.node1.storePath}.damaged`)).toBe(name !== "deleted" && name !== "emptied");
  rmSync(`${lab.node1.storePath}.damaged`, { force: true });
  await lab.node1.stop();
  expect(await lab.node1.countLeases()).toBe(0);
});
