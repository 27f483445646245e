import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { waitFor } from "../support/wait.ts";
import { installIronbridge, installVariant, waitForNodesReady, waitForPods } from "./install.ts";
import { getObject, kubectl } from "./kubectl.ts";
import { curl, externalAddress, outside, startBareTestCluster, type TestCluster } from "./support/test-cluster.ts";
import { deployWeb, webManifest } from "./support/web.ts";
import { IRONBRIDGE } from "./variant.ts";

describe.each(["nftables", "iptables"] as const)("on a bare Kubernetes, %s", (proxyMode) => {
  const variant = { ...IRONBRIDGE, proxyMode };
  let cluster: TestCluster;
  beforeAll(async () => {
    cluster = await startBareTestCluster(variant);
  });
  afterAll(() => cluster[Symbol.asyncDispose]());

  test("no node is ready before Ironbridge is there", async () => {
    const { items } = await getObject<{ items: readonly NodeObject[] }>(cluster.plan, "nodes");
    const reasons = items.map(({ status }) => status.conditions.find(({ type }) => type === "Ready"));
    expect(reasons).toEqual(items.map(() => expect.objectContaining({ status: "False", reason: "KubeletNotReady" })));
    expect(reasons[0]?.message).toContain("cni plugin not initialized");
  });

  test("install.yaml makes all its pods and all nodes ready within 30 s", async () => {
    await installIronbridge(cluster.plan, variant);
    const applied = performance.now();
    await waitForPods(cluster.plan, "ironbridge-system", 30_000);
    await waitForNodesReady(cluster.plan, 30_000 - (performance.now() - applied));
    tell(`all pods of ironbridge-system and all nodes ready after ${seconds(applied)} s`);
    await installVariant(cluster.plan, variant, () => {});
  });

  test("a LoadBalancer Service answers from outside within 5 s of its pods being ready", async () => {
    const { plan } = cluster;
    await deployWeb(plan, { name: "web", replicas: 3 });
    const ready = performance.now();
    const address = await externalAddress(plan, "default", "web");
    const answer = () => curl(plan, `http://${address}/hostname`);
    expect(await waitFor("an answer", answer, { deadline: 5_000 })).toMatch(/^web-/);
    tell(`first answer ${seconds(ready)} s after the pods were ready`);
  });

  test("a pod reaches Services by name", async () => {
    const { plan } = cluster;
    const ask = ["exec", "deployment/web", "--", "curl", "-sS", "--max-time", "5"];
    const byName = () => kubectl(plan, [...ask, "http://web.default.svc.cluster.local/hostname"]);
    expect(await waitFor("an answer by name", byName, { deadline: 10_000 })).toMatch(/^web-/);
    const version = await kubectl(plan, [...ask, "-k", "https://kubernetes.default.svc/version"]);
    expect(JSON.parse(version)).toMatchObject({ gitVersion: "v1.34.4" });
  });

  test("policy Local keeps the client's address: ingress-nginx as its manifest has it", async () => {
    const { plan } = cluster;
    const manifest = readFileSync(join(import.meta.dirname, "manifests/ingress-nginx.yaml"), "utf8");
    await kubectl(plan, ["apply", "-f", "-"], manifest);
    const deployment = ["-n", "ingress-nginx", "deployment/ingress-nginx-controller"];
    await kubectl(plan, ["wait", ...deployment, "--for=condition=Available", "--timeout=25s"]);
    const address = await externalAddress(plan, "ingress-nginx", "ingress-nginx-controller");
    const answer = await waitFor("an answer", () => curl(plan, `http://${address}/who`), { deadline: 5_000 });
    const [pod, seen] = answer.trim().split(" ");
    expect(pod).toMatch(/^ingress-nginx-controller-/);
    expect(seen).toBe(plan.client.address);
  });

  test("an address can be asked for, and one Service's removal leaves the others", async () => {
    const { plan } = cluster;
    const wanted = JSON.parse(webManifest({ name: "second", replicas: 1 })) as { items: { spec: object }[] };
    Object.assign(wanted.items[1]!.spec, { loadBalancerIP: "192.168.1.142" });
    await kubectl(plan, ["apply", "-f", "-"], JSON.stringify(wanted));
    expect(await externalAddress(plan, "default", "second")).toBe("192.168.1.142");
    await waitFor("its answer", () => curl(plan, "http://192.168.1.142/hostname"), { deadline: 20_000 });
    await kubectl(plan, ["delete", "service", "second"]);
    const refused = async () =>
      (await outside(plan, "curl", "-s", "--max-time", "1", "http://192.168.1.142/")).exitCode > 0;
    await waitFor("the address to be gone", refused, { deadline: 10_000 });
    const address = await externalAddress(plan, "default", "web");
    expect(await curl(plan, `http://${address}/hostname`)).toMatch(/^web-/);
  });
});

interface NodeObject {
  readonly status: {
    readonly conditions: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason: string;
      readonly message: string;
    }[];
  };
}

function seconds(since: number): string {
  return ((performance.now() - since) / 1000).toFixed(1);
}

function tell(line: string): void {
  process.stdout.write(`    ${line}\n`);
}
