import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  findServePid,
  type LabDirectory,
  labDirectory,
  labNetnsNames,
  runCommand,
  runInHost,
  runKubectl,
} from "../../lab/mod.ts";

const TAG = "up";
const CLIENT = `ib-${TAG}-client`;
const EXECUTABLE = join(import.meta.dirname, "..", "..", "bin", "ironbridge");

describe("ironbridge lab", () => {
  let directory: LabDirectory;
  const lab = (command: string, ...args: string[]) =>
    runCommand(EXECUTABLE, ["lab", command, "--dir", directory.path, "--tag", TAG, ...args], { timeout: 60_000 });
  const kubectl = (...args: string[]) => runKubectl(directory.kubeconfig, args);

  beforeAll(async () => {
    directory = labDirectory(await mkdtemp(join(tmpdir(), "ib-up-")));
  });
  afterAll(async () => {
    await lab("down");
    await rm(directory.path, { recursive: true, force: true });
  });

  const nothingLeft = async () => {
    expect(await labNetnsNames(TAG)).toEqual([]);
    expect(await findServePid(directory)).toBeUndefined();
    expect(await readdir(directory.path).catch(() => [])).toEqual([]);
  };

  test("status says that no lab runs, and exits with 1", async () => {
    const { exitCode, stderr } = await lab("status");
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`no lab runs in ${directory.path}`);
  });

  test("up ends with answers of different backends and a table of the addresses", async () => {
    const { exitCode, stdout, stderr } = await lab("up");
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    expect(stdout).toContain(`$ ip netns exec ${CLIENT} curl http://192.168.1.100/`);
    expect(new Set(stdout.match(/shop, answered by pod \S+/g)).size).toBe(2);
    expect(new Set(stdout.match(/blog, answered by pod \S+/g)).size).toBe(2);
    expect(stdout).toMatch(/ingress-nginx\/ingress-nginx-controller +192\.168\.1\.100 +node\d +node\d:10\.244\./);
  });

  test("a second up is fine, also in the other proxy mode, and the old mode's rules go", async () => {
    const { exitCode, stdout } = await lab("up", "--proxy-mode", "iptables");
    expect(exitCode).toBe(0);
    expect(stdout).toContain("a lab is running already");
    const rules = async () => (await runInHost(`ib-${TAG}-node1`, "iptables-save", ["-t", "nat"])).stdout;
    expect(await rules()).toContain("192.168.1.100");
    expect((await runInHost(`ib-${TAG}-node1`, "nft", ["list", "table", "ip", "ironbridge-proxy"])).exitCode).not.toBe(
      0,
    );
    expect((await lab("status")).stdout).toContain("proxy mode iptables");
  });

  test("kubectl works: pods resolve Services by name and reach them, logs are there", async () => {
    const pod = "deploy/ingress-nginx-controller";
    const logs = await kubectl("-n", "ingress-nginx", "logs", pod, "--tail=200");
    expect(logs).toContain('"GET / HTTP/1.1" 200');
    await kubectl("create", "deployment", "hello", "--image=nginx");
    await kubectl("expose", "deployment", "hello", "--port=80", "--type=LoadBalancer");
    await kubectl("rollout", "status", "deployment/hello", "--timeout=10s");
    const address = () => kubectl("get", "svc", "hello", "-o", "jsonpath={.status.loadBalancer.ingress[0].ip}");
    await expect.poll(address).toMatch(/^192\.168\.1\.1\d\d$/);
    const answer = async () =>
      (await runInHost(CLIENT, "curl", ["-s", "--connect-timeout", "0.3", `http://${await address()}/`])).stdout;
    await expect.poll(answer, { timeout: 5_000 }).toContain("Welcome to nginx!");
    expect(await kubectl("describe", "svc", "hello")).toContain("IPAllocated");
    await kubectl("scale", "deployment", "hello", "--replicas=3");
    await kubectl("rollout", "status", "deployment/hello", "--timeout=10s");
    await kubectl("delete", "deployment,svc", "hello");
    await expect.poll(() => kubectl("get", "pods", "-l", "app=hello", "-o", "name"), { timeout: 5_000 }).toBe("");
  });

  test("up works again after the lab's process was killed", async () => {
    process.kill((await findServePid(directory))!, "SIGKILL");
    expect((await lab("up")).exitCode).toBe(0);
  });

  test("down removes everything, and is content with nothing", async () => {
    expect((await lab("down")).exitCode).toBe(0);
    await nothingLeft();
    const { exitCode, stdout } = await lab("down");
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: "no lab was running" });
  });

  test("down removes everything after half of the lab was killed", async () => {
    await lab("up");
    process.kill((await findServePid(directory))!, "SIGKILL");
    expect((await labNetnsNames(TAG)).length).toBeGreaterThan(5);
    expect((await lab("down")).exitCode).toBe(0);
    await nothingLeft();
  });

  test("up says what failed, why, and where the log is", async () => {
    const { exitCode, stderr } = await lab("up", "--nodes", "500");
    expect(exitCode).toBe(1);
    expect(stderr).toContain("a lab of 500 nodes, want 1 to 89");
    expect(stderr).toContain(directory.log);
  });
});
