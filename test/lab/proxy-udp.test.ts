import { describe, test } from "vitest";
import { waitFor } from "../support/wait.ts";
import { ADDRESSES, HOMES, type PodEndpoints, webService } from "./support/proxy-lab.ts";
import { CLUSTER_IP, FAMILIES, type Family, useProxy, useStage, VIP } from "./support/proxy-stage.ts";

/** "Conntrack" of Kubernetes' own network specs, each by its name there: a client that sends from one UDP port. */
const stage = useStage();

const FRONTS = {
  ClusterIP: { hosts: CLUSTER_IP, port: 53, from: 40_000 },
  NodePort: { hosts: ADDRESSES.node, port: 30053, from: 40_001 },
  LoadBalancer: { hosts: VIP, port: 53, from: 40_002 },
} as const;
type Front = keyof typeof FRONTS;
/** Milliseconds until the flow must have followed. */
const DEADLINE = { deadline: 3000, every: 20 };

async function askFrom(family: Family, front: Front): Promise<string> {
  const { hosts, port, from } = FRONTS[front];
  const ask = { protocol: "udp", timeout: 200, from } as const;
  const answer = await stage.lab.hosts.client.ask(hosts[family], port, ask);
  return answer.split(" ")[0] ?? "";
}

/** The client's flow leads to one of these in both families. */
async function followed(front: Front, ...wanted: readonly string[]): Promise<void> {
  await Promise.all(
    FAMILIES.map((family) =>
      waitFor(`${wanted} by ${front}, ${family}`, async () => wanted.includes(await askFrom(family, front)), DEADLINE),
    ),
  );
}

describe.each(HOMES)("%s", (home) => {
  useProxy(stage, home);

  async function cycle(front: Front, ...pods: readonly PodEndpoints[]): Promise<void> {
    await stage.given(webService(), pods[0]!);
    for (const endpoints of pods) {
      await stage.endpoints(endpoints);
      const wanted = Object.entries(endpoints).filter(([, { serving = true }]) => serving);
      await followed(front, ...(wanted.length === 0 ? ["refused", "silent"] : wanted.map(([pod]) => pod)));
    }
  }

  test.each(["ClusterIP", "NodePort"] as const)(
    "should be able to preserve UDP traffic when server pod cycles for a %s service",
    (front) => cycle(front, { pod2: {} }, { pod2: {}, pod3: {} }, { pod3: {} }, {}, { pod2: {} }),
  );

  test("should be able to preserve UDP traffic when initial unready endpoints get ready", () =>
    cycle("ClusterIP", { pod2: { ready: false, serving: false, terminating: false } }, { pod2: {} }));

  test("should be able to preserve UDP traffic when server pod cycles for a LoadBalancer service on the same nodes", () =>
    cycle("LoadBalancer", { pod2: {} }, { pod3: {} }));

  test("should be able to preserve UDP traffic when server pod cycles for a LoadBalancer service on different nodes", () =>
    cycle("LoadBalancer", { pod2: { node: "node2" } }, { pod3: {} }, { pod2: { node: "node2" } }));

  test("should not preserve UDP traffic of a service that is deleted", async () => {
    await cycle("ClusterIP", { pod2: {} });
    stage.lab.stores.services.remove("shop/web");
    await stage.running.settled();
    const flows = (family: Family) =>
      stage.lab.run("conntrack", "-L", "-p", "udp", "-f", family, "--orig-dst", CLUSTER_IP[family]);
    for (const family of FAMILIES) {
      const isForgotten = async () => !(await flows(family)).includes(ADDRESSES.pod2[family]);
      await waitFor(`the deleted Service's flows to be forgotten, ${family}`, isForgotten, DEADLINE);
    }
  });
});
