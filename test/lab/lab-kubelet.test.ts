import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { silentLog } from "../../core/mod.ts";
import { type KubeClient, PODS, SERVICES, type V1Pod } from "../../kube/mod.ts";
import { type ApiServer, kubeClientOf, startApiServer } from "../../lab/api/mod.ts";
import {
  buildTopology,
  type Cluster,
  CONFIG_MAPS,
  DEPLOYMENTS,
  labNetnsNames,
  netnsPrefix,
  REPLICA_SETS,
  removeTopology,
  runInHost,
  runPluginOn,
  startControllers,
  startKubelet,
  type Topology,
  watchCluster,
} from "../../lab/mod.ts";

const TAG = "kubelet";
const SETTINGS = 'server { listen 80; location / { return 200 "$hostname\\n"; } }';

describe("startKubelet()", () => {
  const stop = new AbortController();
  let api: ApiServer;
  let client: KubeClient;
  let directory: string;
  let topology: Topology;
  let cluster: Cluster;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "ib-kubelet-"));
    await mkdir(join(directory, "bin"));
    await copyFile(join(import.meta.dirname, "bridge-plugin.sh"), join(directory, "bin", "plain-bridge"));
    await chmod(join(directory, "bin", "plain-bridge"), 0o755);
    topology = await buildTopology(TAG, 1);
    api = await startApiServer({ listen: [{ host: "127.0.0.1", port: 0 }], crds: [], log: silentLog() });
    client = kubeClientOf(api);
    cluster = await watchCluster(client, silentLog(), stop.signal);
    const node = topology.nodes[0]!;
    startKubelet(
      {
        cluster,
        node,
        netnsPrefix: netnsPrefix(TAG),
        podsDir: join(directory, "pods"),
        cni: {
          confDir: join(directory, "net.d"),
          binDirs: [join(directory, "bin")],
          cacheDir: join(directory, "cache"),
          run: runPluginOn(node),
        },
      },
      stop.signal,
    );
    void startControllers(cluster, stop.signal);
  });

  afterAll(async () => {
    stop.abort();
    await api.close();
    await removeTopology(TAG);
    await rm(directory, { recursive: true });
    expect(await labNetnsNames(TAG)).toEqual([]);
  });

  const node = () => cluster.nodes.get("node1");
  const readyReason = () => node()?.status?.conditions?.find(({ type }) => type === "Ready")?.reason;
  const podIsReady = (pod: V1Pod | undefined) =>
    pod?.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") === true;
  const curl = (address: string) =>
    runInHost(topology.nodes[0]!.netns, "curl", ["-sS", "-m", "2", `http://${address}/`]);

  test("reports the node as not ready until there is a network list, and as ready once there is", async () => {
    await expect.poll(readyReason).toBe("KubeletNotReady");
    const list = { cniVersion: "1.0.0", name: "plain", plugins: [{ type: "plain-bridge" }] };
    await writeFile(join(directory, "net.d", "10-plain.conflist"), JSON.stringify(list));
    await expect.poll(readyReason).toBe("KubeletReady");
    await expect.poll(() => node()?.spec?.podCIDR).toBe("10.244.1.0/24");
  });

  test("runs a Deployment of real nginx configured by a ConfigMap, and its endpoints appear", async () => {
    await client.create(CONFIG_MAPS, {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "web", namespace: "default" },
      data: { "default.conf": SETTINGS },
    });
    await client.create(SERVICES, {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "web", namespace: "default" },
      spec: { selector: { app: "web" }, ports: [{ name: "http", port: 80, targetPort: "http" }] },
    });
    await client.create(DEPLOYMENTS, webDeployment(2));
    await expect.poll(() => cluster.pods.list().filter(podIsReady).length, { timeout: 10_000 }).toBe(2);
    for (const pod of cluster.pods.list()) {
      const answer = await curl(pod.status?.podIP ?? "");
      expect(answer).toMatchObject({ exitCode: 0, stdout: pod.metadata?.name });
    }
    await expect
      .poll(() => cluster.slices.byIndex("service", "default/web").flatMap(({ endpoints = [] }) => endpoints))
      .toMatchObject([{ conditions: { ready: true } }, { conditions: { ready: true } }]);
    expect(cluster.slices.byIndex("service", "default/web")[0]?.ports).toMatchObject([{ name: "http", port: 80 }]);
  });

  test("starts a container again that died", async () => {
    const pod = cluster.pods.list()[0]!;
    await runInHost(topology.nodes[0]!.netns, "true", []);
    const netns = (await labNetnsNames(TAG)).filter((name) => name.includes("-pod-"));
    expect(netns).toHaveLength(2);
    const { stdout } = await runInHost(netns[0]!, "sh", ["-c", `ip netns pids ${netns[0]} | head -2 | tail -1`]);
    process.kill(Number(stdout), "SIGKILL");
    const restarts = () =>
      cluster.pods.list().reduce((sum, { status }) => sum + (status?.containerStatuses?.[0]?.restartCount ?? 0), 0);
    await expect.poll(restarts).toBe(1);
    await expect.poll(() => cluster.pods.list().filter(podIsReady).length, { timeout: 5_000 }).toBe(2);
    expect((await curl(pod.status?.podIP ?? "")).exitCode).toBe(0);
  });

  test("keeps the output of a container", async () => {
    const pod = cluster.pods.list()[0]!;
    const log = await readFile(join(directory, "pods", pod.metadata?.uid ?? "", "nginx.log"), "utf8");
    expect(log).toContain('"GET / HTTP/1.1" 200');
  });

  test("says why it can't run an image it has not", async () => {
    await client.create(PODS, {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "odd", namespace: "default" },
      spec: { nodeName: "node1", containers: [{ name: "main", image: "example.com/team/unheard-of:1" }] },
    });
    const waiting = () => cluster.pods.get("default/odd")?.status?.containerStatuses?.[0]?.state?.waiting;
    await expect.poll(() => waiting()?.reason).toBe("ErrImagePull");
    expect(waiting()?.message).toContain("example.com/team/unheard-of:1");
  });

  test("removes everything of a pod that is deleted", async () => {
    await client.delete(DEPLOYMENTS, { name: "web", namespace: "default" });
    for (const { metadata } of cluster.replicaSets.list()) {
      await client.delete(REPLICA_SETS, { name: metadata?.name ?? "", namespace: "default" });
    }
    await expect.poll(() => cluster.replicaSets.list().length).toBe(0);
    for (const { metadata } of cluster.pods.list()) {
      await client.delete(PODS, { name: metadata?.name ?? "", namespace: "default" });
    }
    const podNetns = async () => (await labNetnsNames(TAG)).filter((name) => name.includes("-pod-")).length;
    await expect.poll(podNetns, { timeout: 10_000 }).toBe(0);
  });
});

function webDeployment(replicas: number) {
  const labels = { app: "web" };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "web", namespace: "default", uid: "d1" },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          volumes: [{ name: "settings", configMap: { name: "web" } }],
          containers: [
            {
              name: "nginx",
              image: "nginx:1.27",
              ports: [{ name: "http", containerPort: 80 }],
              readinessProbe: { httpGet: { path: "/", port: "http" }, periodSeconds: 1 },
              volumeMounts: [{ name: "settings", mountPath: "/etc/nginx/conf.d" }],
            },
          ],
        },
      },
    },
  };
}
