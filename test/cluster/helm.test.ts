import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runInHost } from "../../lab/command.ts";
import { waitFor } from "../support/wait.ts";
import { applyPool, importIronbridge, waitForNodesReady, waitForPods } from "./install.ts";
import { kubectl } from "./kubectl.ts";
import { CHART, helm } from "./support/helm.ts";
import { curl, externalAddress, startBareTestCluster, type TestCluster } from "./support/test-cluster.ts";
import { deployWeb } from "./support/web.ts";
import { IRONBRIDGE } from "./variant.ts";

/** Each test goes on where the one before it ended. */
describe("the Helm chart on a bare Kubernetes", () => {
  let cluster: TestCluster;
  let address: string;
  beforeAll(async () => {
    cluster = await startBareTestCluster(IRONBRIDGE);
    await importIronbridge(cluster.plan);
  });
  afterAll(() => cluster[Symbol.asyncDispose]());

  test("installs what makes all nodes ready and a Service answer", async () => {
    const { plan } = cluster;
    await kubectl(plan, ["create", "namespace", "ironbridge-system"]);
    await kubectl(plan, ["label", "namespace", "ironbridge-system", "pod-security.kubernetes.io/enforce=privileged"]);
    await helm(plan, "install", "ironbridge", CHART, "--wait");
    await waitForNodesReady(plan);
    await applyPool(plan, "ironbridge");
    await deployWeb(plan, { name: "web", replicas: 2 });
    address = await externalAddress(plan, "default", "web");
    await waitForAnswer();
    expect(await nodesWithIptables()).toEqual([]);
  });

  test("an upgrade with another setting is rolled out to every node", async () => {
    const { plan } = cluster;
    await helm(plan, "upgrade", "ironbridge", CHART, "--set", "settings.proxy-mode=iptables", "--wait");
    const names = plan.nodes.map(({ name }) => name);
    const everywhere = async () => (await nodesWithIptables()).length === names.length;
    await waitFor("the Service's iptables rules on all nodes", everywhere, { deadline: 60_000, every: 500 });
    await waitForPods(plan, "ironbridge-system");
    await waitForAnswer();
  });

  test("a rollback takes the setting back", async () => {
    const { plan } = cluster;
    await helm(plan, "rollback", "ironbridge", "1", "--wait");
    const nowhere = async () => (await nodesWithIptables()).length === 0;
    await waitFor("the iptables rules to be gone", nowhere, { deadline: 60_000, every: 500 });
    await waitForPods(plan, "ironbridge-system");
    await waitForAnswer();
  });

  test("its removal leaves the pools and their kinds", async () => {
    const { plan } = cluster;
    await helm(plan, "uninstall", "ironbridge", "--wait");
    const programs = ["-n", "ironbridge-system", "get", "daemonsets,deployments", "-o", "name"];
    expect(await kubectl(plan, programs)).toBe("");
    const pools = ["-n", "ironbridge-system", "get", "ipaddresspools", "-o", "name"];
    expect(await kubectl(plan, pools)).toBe("ipaddresspool.metallb.io/default");
  });

  function waitForAnswer(): Promise<string> {
    return waitFor("an answer", () => curl(cluster.plan, `http://${address}/hostname`), { deadline: 5_000 });
  }

  /** The nodes whose iptables rules forward the Service. */
  async function nodesWithIptables(): Promise<readonly string[]> {
    const rules = cluster.plan.nodes.map(async ({ name, netns }) => {
      const { stdout } = await runInHost(netns, "iptables-save", ["-t", "nat"]);
      return stdout.includes(address) ? [name] : [];
    });
    return (await Promise.all(rules)).flat();
  }
});
