import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { hostLinkName } from "../../cni/attachment.ts";
import { exec } from "../../linux/mod.ts";
import { waitFor } from "../support/wait.ts";
import { type CniLab, createCniLab, nodeObject } from "./support/cni-lab.ts";

const IRONBRIDGE = fileURLToPath(new URL("../../bin/ironbridge", import.meta.url));
const HOST_PORT = { runtimeConfig: { portMappings: [{ hostPort: 8081, containerPort: 80, protocol: "tcp" }] } };
let lab: CniLab;

beforeAll(async () => {
  lab = await createCniLab();
});
afterEach(() => lab.node1.kill());
afterAll(() => lab.remove());

function cleanup(...flags: readonly string[]): Promise<string> {
  const { stateDir, socketPath, binDir, confDir } = lab.node1.options;
  const directories = ["--state-dir", stateDir, "--run-dir", dirname(socketPath)];
  const programs = ["--cni-bin-dir", binDir, "--cni-conf-dir", confDir];
  return lab.node1.run(IRONBRIDGE, "cleanup", ...directories, ...programs, ...flags);
}

/** What of the pod network is in the kernel of the node. */
async function inKernel(): Promise<Record<string, boolean>> {
  const [links, routes, tables] = await Promise.all([
    lab.node1.run("ip", "-br", "link"),
    lab.node1.run("ip", "route"),
    lab.node1.run("nft", "list", "tables"),
  ]);
  return {
    bridge: /^ironbr0/m.test(links),
    tunnel: /^ironvx0/m.test(links),
    pods: /^i[bq][0-9a-f]{13}/m.test(links),
    routes: routes.includes("proto 73"),
    masquerade: tables.includes("inet ironbridge_cni"),
    hostPorts: tables.includes("inet ironbridge_hostport"),
  };
}

const nothingOf = async () => expect(Object.values(await inKernel())).not.toContain(true);
const filesIn = (directory: string) => (existsSync(directory) ? readdirSync(directory) : []);

async function start(): Promise<void> {
  lab.node1.start([nodeObject(1), nodeObject(2)], { routing: "vxlan" });
  await lab.node1.whenReady();
}

test("cleanup removes everything once no pod is left, and nothing of others", { timeout: 60_000 }, async () => {
  const { binDir, confDir, stateDir, socketPath } = lab.node1.options;
  await start();
  writeFileSync(join(binDir, "bridge"), "theirs");
  writeFileSync(join(confDir, "20-other.conflist"), "{}");
  await lab.node1.run("nft", "add", "table", "ip", "other");
  const pod = await lab.addPod();
  await lab.node1.add("stays", pod, HOST_PORT);
  await expect(cleanup()).rejects.toThrow("IB_STORE_BROKEN"); // the agent runs

  await lab.node1.kill();
  const before = await inKernel();
  expect(Object.values(before)).not.toContain(false);
  await expect(cleanup()).rejects.toThrow(/1 pods of this node use the pod network .*nothing was removed/);
  expect(await cleanup("--parts", "speaker,proxy")).not.toContain("the pod network");
  expect(await inKernel()).toEqual(before);
  expect(existsSync(lab.node1.conflist)).toBe(true);

  await lab.node1.call({ command: "DEL", containerId: "stays", netns: pod }); // nobody listens: it is kept for later
  expect(await cleanup()).toContain("the pod network");
  await nothingOf();
  expect([filesIn(binDir), filesIn(confDir)]).toEqual([["bridge"], ["20-other.conflist"]]);
  expect([filesIn(stateDir), filesIn(dirname(socketPath))]).toEqual([[], []]);
  expect((await lab.node1.run("nft", "list", "tables")).trim()).toBe("table ip other");
  await cleanup(); // nothing to do is no error
});

test("cleanup --with-pods cuts pods off, and the runtime can end them", { timeout: 60_000 }, async () => {
  await start();
  const pod = await lab.addPod();
  await lab.node1.add("cut", pod, HOST_PORT);
  await lab.node1.kill();
  await cleanup("--with-pods");
  await nothingOf();
  await expect(exec("ip", ["-n", basename(pod), "link", "show", "eth0"])).rejects.toThrow();
  expect(existsSync(lab.node1.conflist)).toBe(false);
  expect((await lab.node1.call({ command: "DEL", containerId: "cut", netns: pod })).exit).toBe(0);
});

test("cleanup --with-pods ends the short way of pods whose links have others' names", { timeout: 60_000 }, async () => {
  const filters = (link: string) => lab.node1.run("tc", "filter", "show", "dev", link, "ingress");
  await start();
  await lab.node1.add("taken", await lab.addPod());
  const port = hostLinkName({ containerId: "taken", ifname: "eth0" });
  const hasProgram = async () => (await filters(port)).includes("ironbridge direct-action");
  await waitFor("the short way", hasProgram, { deadline: 10_000 });
  await lab.node1.kill();
  await lab.node1.run("sh", "-c", `ip link set ${port} down && ip link set ${port} name vethother`);
  await cleanup("--with-pods");
  expect(await filters("vethother")).toBe("");
});
