import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { PROXY_MODES } from "../../config/mod.ts";
import { silentLog } from "../../core/mod.ts";
import { ENDPOINT_SLICES, openObjectCache } from "../../kube/mod.ts";
import type { Lab, LabNode } from "../../lab/mod.ts";
import { addressOf, announcerOf, curl, startTestLab } from "../support/test-lab.ts";
import { waitFor } from "../support/wait.ts";

describe.each(PROXY_MODES)("an agent that starts while the API server is away, %s", (proxyMode) => {
  let lab: Lab;
  let node: LabNode;
  let address: string;
  let cacheFile: string;

  beforeAll(async () => {
    lab = await startTestLab({ nodes: 2, proxyMode });
    await lab.applySamples();
    address = await addressOf(lab, "default/web");
    await waitFor("an answer", () => curl(lab, `http://${address}/`), { deadline: 20_000 });
    const name = await waitFor("an announcer", () => announcerOf(lab, address), { deadline: 10_000 });
    node = lab.nodes.find((each) => each.name === name)!;
    cacheFile = join(lab.directory.node(node.name).state, "objects.db");
  });
  afterAll(() => lab?.stop());

  const readyz = async () => (await node.exec("curl", ["-s", "http://127.0.0.1:10249/readyz"])).stdout;
  const untilReadyzSays = (words: string) =>
    waitFor(`"${words}" at /readyz`, async () => (await readyz()).includes(words), { deadline: 20_000 });
  /** Whether the node itself reaches the Service: through rules of its own only. */
  async function forwards(): Promise<boolean> {
    const ip = await lab.kubectl(["get", "service", "web", "-o", "jsonpath={.spec.clusterIP}"]);
    return (await node.exec("curl", ["-s", "-o", "/dev/null", "--max-time", "1", `http://${ip}/`])).exitCode === 0;
  }
  const logOf = () => readFileSync(node.agentLog, "utf8");
  /** The file has caught up: it is written a second later. */
  const untilKept = () =>
    waitFor(
      "the objects in the file",
      () => {
        const slices = openObjectCache(cacheFile, silentLog()).read(ENDPOINT_SLICES) ?? [];
        const web = slices.filter(({ metadata }) => metadata?.labels?.["kubernetes.io/service-name"] === "web");
        return web.some(({ endpoints }) => endpoints?.some(({ conditions }) => conditions?.ready));
      },
      { deadline: 10_000 },
    );
  /** Ends the agent and takes away every rule it made, as a restart of the node does. */
  async function killAndFlush(): Promise<void> {
    const before = node.agentPid();
    node.killAgent("SIGKILL");
    await node.exec("nft", ["flush", "ruleset"]);
    await waitFor("another agent", () => node.agentPid() !== undefined && node.agentPid() !== before, {
      deadline: 10_000,
    });
  }
  const answers = () => waitFor("an answer", () => curl(lab, `http://${address}/`), { deadline: 15_000 });

  let heal = () => {};
  beforeEach(untilKept);
  afterEach(() => heal());

  test.each([
    ["refuses everything", () => lab.api.faults.fail(({ userAgent }) => userAgent === "ironbridge-agent", 503)],
    ["answers nothing", () => lab.api.faults.hang(({ userAgent }) => userAgent === "ironbridge-agent")],
  ])(
    "forwards from its own store when the server %s, says so, and is ready again afterwards",
    async (_name, strike) => {
      heal = strike();
      await killAndFlush();
      await untilReadyzSays("working from what an earlier run knew");
      await waitFor("an answer through the rules of this node", forwards, { deadline: 10_000 });
      heal();
      await untilReadyzSays("ok");
      await answers();
    },
  );

  test("ignores a broken store with one line in the log, and leaves the rules that are there alone", async () => {
    heal = lab.api.faults.fail(({ userAgent }) => userAgent === "ironbridge-agent", 503);
    const from = logOf().length;
    const before = node.agentPid();
    // Killed first, so that it is read by the next one only.
    node.killAgent("SIGKILL");
    for (const ending of ["-wal", "-shm"]) rmSync(cacheFile + ending, { force: true }); // what heals the file
    writeFileSync(cacheFile, "broken, and long enough to be taken for a database");
    await waitFor("another agent", () => node.agentPid() !== undefined && node.agentPid() !== before, {
      deadline: 10_000,
    });
    await untilReadyzSays("nothing is known yet");
    const lines = logOf().slice(from).split("\n");
    expect(lines.filter((line) => line.includes('"cache.unusable"'))).toHaveLength(1);
    expect(await forwards()).toBe(true);
    heal();
    await untilReadyzSays("ok");
    await answers();
  });
});
