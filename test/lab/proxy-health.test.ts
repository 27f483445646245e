import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { waitFor } from "../support/wait.ts";
import {
  ADDRESSES,
  createProxyLab,
  HOMES,
  type ProxyLab,
  podSlice,
  type RunningProxy,
  webService,
} from "./support/proxy-lab.ts";

let lab: ProxyLab;
let running: RunningProxy;

beforeAll(async () => {
  lab = await createProxyLab();
});
afterAll(() => lab.remove());

const PORT = 32_000;

/** Status and body, or what curl says. */
async function get(address: string, port: number, path = "/"): Promise<string> {
  const host = address.includes(":") ? `[${address}]` : address;
  const args = ["-s", "-m", "1", "-w", " %{http_code}", `http://${host}:${port}${path}`];
  return lab.run("curl", ...args).catch(() => "nothing");
}

describe.each(HOMES)("%s", (home) => {
  beforeAll(async () => {
    running = await lab.start(home, { healthzPort: 10_256 });
  });
  afterAll(() => running.stop());
  afterEach(async () => {
    lab.stores.services.remove("shop/web");
    for (const family of ["ipv4", "ipv6"]) lab.stores.slices.remove(`shop/web-${family}`);
    await running.settled();
  });

  const LOCAL = { externalTrafficPolicy: "Local", healthCheckNodePort: PORT } as const;

  test("should only target nodes with endpoints", async () => {
    lab.stores.services.set(webService(LOCAL));
    lab.stores.slices.set(podSlice("ipv4", { pod1: {}, pod2: {}, pod3: { node: "node2" } }));
    await running.settled();
    expect(await get(ADDRESSES.node.ipv4, PORT)).toMatch(/"localEndpoints":2,"serviceProxyHealthy":true} 200$/);
    expect(await get(ADDRESSES.node.ipv6, PORT)).toMatch(/ 200$/);
    lab.stores.slices.set(podSlice("ipv4", { pod1: { node: "node2" }, pod3: { node: "node2" } }));
    await running.settled();
    expect(await get(ADDRESSES.node.ipv4, PORT)).toMatch(/"localEndpoints":0.* 503$/);
    lab.stores.services.set(webService());
    await running.settled();
    await waitFor("the port to be closed", async () => (await get(ADDRESSES.node.ipv4, PORT)) === "nothing", {
      deadline: 1000,
    });
  });

  test("should fail health check node port if there are only terminating endpoints", async () => {
    lab.stores.services.set(webService(LOCAL));
    lab.stores.slices.set(podSlice("ipv4", { pod1: { ready: false }, pod3: { node: "node2" } }));
    await running.settled();
    // The endpoint that terminates still serves, but nothing more should come.
    expect(await lab.hosts.client.ask("192.168.1.100", 80)).toBe(`pod1 ${ADDRESSES.client.ipv4}`);
    expect(await get(ADDRESSES.node.ipv4, PORT)).toMatch(/"localEndpoints":0.* 503$/);
  });

  test("should check kube-proxy urls", async () => {
    const { ipv4 } = ADDRESSES.node;
    expect(await get(ipv4, 10_256, "/healthz")).toMatch(/"nodeEligible":true} 200$/);
    const node = lab.stores.nodes.get("node1")!;
    const taints = [{ key: "ToBeDeletedByClusterAutoscaler", effect: "NoSchedule" }];
    lab.stores.nodes.set({ ...node, spec: { taints } });
    expect(await get(ipv4, 10_256, "/healthz")).toMatch(/"nodeEligible":false} 503$/);
    expect(await get(ipv4, 10_256, "/livez")).toMatch(/ 200$/);
    lab.stores.nodes.set(node);
    expect(await get(ipv4, 10_256, "/metrics")).toBe("not found 404");
  });
});
