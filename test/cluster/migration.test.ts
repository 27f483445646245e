import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runInHost } from "../../lab/command.ts";
import { installIronbridge, installKubeProxy, installMetallb, waitForNodesReady, waitForPods } from "./install.ts";
import { kubectl } from "./kubectl.ts";
import { CHECKOUT, type MachinePlan } from "./plan.ts";
import { removeReferenceCni } from "./reference-cni.ts";
import { startTestCluster, type TestCluster } from "./support/test-cluster.ts";
import { EXTERNAL, failedThroughNodes, startTraffic } from "./support/traffic.ts";
import { deployWeb } from "./support/web.ts";
import { REFERENCE } from "./variant.ts";

const AGENT = ["-n", "ironbridge-system", "daemonset/ironbridge-agent"];
const NODE_PORTS = ["node1", "node2"];

/** Each test goes on where the one before it ended: the way a cluster's owner goes. */
describe("from MetalLB, kube-proxy and the reference CNI to Ironbridge and back, with traffic running", () => {
  let cluster: TestCluster;
  beforeAll(async () => {
    cluster = await startTestCluster(REFERENCE);
    const { plan } = cluster;
    await deployWeb(plan, { name: "web", replicas: 2 });
    await kubectl(plan, ["apply", "-f", "-"], JSON.stringify(DISRUPTION_BUDGET));
  });
  afterAll(() => cluster[Symbol.asyncDispose]());

  /** Does `change` while requests run, and tells what it cost. */
  async function underTraffic(change: () => Promise<void>): Promise<void> {
    const traffic = await startTraffic(cluster.plan, "web", NODE_PORTS);
    await traffic.flows();
    await change();
    await traffic.flows();
    const tolls = await traffic.stop();
    expect(failedThroughNodes(tolls)).toEqual([]);
    // An address that moves to another node breaks the connections open at that moment, and costs no more than a second.
    expect(tolls[EXTERNAL]?.outage).toBeLessThan(1_000);
  }

  test("load balancer: Ironbridge announces beside MetalLB, then MetalLB goes", () =>
    underTraffic(async () => {
      const { plan } = cluster;
      await installIronbridge(plan, { ...REFERENCE, loadBalancer: "ironbridge" });
      await waitForPods(plan, "ironbridge-system");
      // Not its namespace: the pools in it are used on.
      await kubectl(plan, ["-n", "metallb-system", "delete", "daemonset/speaker", "deployment/controller"]);
      const webhook = "validatingwebhookconfiguration/metallb-webhook-configuration";
      await kubectl(plan, ["delete", webhook]);
    }));

  test("Service proxy: Ironbridge forwards beside kube-proxy, then kube-proxy goes", () =>
    underTraffic(async () => {
      const { plan } = cluster;
      await setParts("speaker,proxy");
      await kubectl(plan, ["rollout", "restart", ...AGENT]);
      await kubectl(plan, ["rollout", "status", ...AGENT, "--timeout=25s"]).catch(() => waitForPods(plan));
      await kubectl(plan, ["-n", "kube-system", "delete", "daemonset/kube-proxy"]);
      for (const node of plan.nodes) {
        await runInHost(node.netns, join(CHECKOUT.bin, "kube-proxy"), ["--cleanup", "--proxy-mode=iptables"]);
      }
    }));

  test(
    "pod network: node by node, each drained",
    () =>
      underTraffic(async () => {
        const { plan } = cluster;
        await setParts("speaker,proxy,cni");
        await kubectl(plan, [
          "patch",
          ...AGENT,
          "-p",
          '{"spec":{"updateStrategy":{"type":"OnDelete","rollingUpdate":null}}}',
        ]);
        for (const node of plan.nodes) await changePodNetwork(node);
      }),
    400_000,
  );

  test("back: kube-proxy and MetalLB take over, Ironbridge goes", () =>
    underTraffic(async () => {
      const { plan } = cluster;
      await installKubeProxy(plan, REFERENCE);
      await waitForPods(plan, "kube-system");
      await installMetallb(plan);
      await waitForPods(plan, "metallb-system");
      await kubectl(plan, ["delete", "namespace", "ironbridge-system", "--wait=false"]);
    }));

  async function setParts(parts: string): Promise<void> {
    const patch = JSON.stringify({ data: { parts } });
    await kubectl(cluster.plan, ["-n", "ironbridge-system", "patch", "configmap/ironbridge", "-p", patch]);
  }

  /** The pods of the old network go first, then what it made, so that the two never share a node. */
  async function changePodNetwork(node: MachinePlan): Promise<void> {
    const { plan } = cluster;
    const drain = ["drain", node.name, "--ignore-daemonsets", "--delete-emptydir-data", "--force"];
    await kubectl(plan, ["cordon", node.name]);
    for (let left = true; left; )
      left = await kubectl(plan, drain).then(
        () => false,
        () => true,
      );
    await removeReferenceCni(node);
    await runInHost(node.netns, "ip", ["link", "delete", "cni0"]);
    const agent = ["-l", "app.kubernetes.io/component=agent", `--field-selector=spec.nodeName=${node.name}`];
    await kubectl(plan, ["-n", "ironbridge-system", "delete", "pod", ...agent]);
    await waitForPods(plan, "ironbridge-system");
    await waitForNodesReady(plan);
    await kubectl(plan, ["uncordon", node.name]);
    await waitForPods(plan, "default");
  }
});

const DISRUPTION_BUDGET = {
  apiVersion: "policy/v1",
  kind: "PodDisruptionBudget",
  metadata: { name: "web" },
  spec: { minAvailable: 1, selector: { matchLabels: { app: "web" } } },
};
