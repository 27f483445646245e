import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { V1Service } from "../../kube/mod.ts";
import { waitFor } from "../support/wait.ts";
import { createProxyLab, type ProxyLab, podSlice, type RunningProxy, webService } from "./support/proxy-lab.ts";

const VIP = "192.168.1.100";
const SECONDS = 2;

let lab: ProxyLab;
let running: RunningProxy | undefined;
beforeAll(async () => {
  lab = await createProxyLab();
});
afterEach(async () => {
  await running?.stop();
  running = undefined;
});
afterAll(() => lab.remove());

function draining(seconds: number): V1Service {
  const web = webService();
  const annotations = { "ironbridge.io/endpoint-drain-seconds": `${seconds}` };
  return { ...web, metadata: { ...web.metadata, annotations } };
}

/** Who answers packets of the client's UDP port `from`. */
function ask(from: number): Promise<string> {
  return lab.hosts.client.ask(VIP, 53, { protocol: "udp", from });
}

async function change(service: V1Service, endpoint: "pod2" | "pod3"): Promise<void> {
  lab.stores.services.set(service);
  lab.stores.slices.set(podSlice("ipv4", { [endpoint]: {} }));
  await running?.settled();
}

describe("a UDP flow to an endpoint that was removed", () => {
  test("goes on for the time that the Service gives it, while new ones go elsewhere", async () => {
    await change(draining(SECONDS), "pod2");
    running = await lab.start("nftables");
    expect(await ask(40_001)).toMatch(/^pod2/);
    await change(draining(SECONDS), "pod3");
    const start = performance.now();
    expect(await ask(40_002)).toMatch(/^pod3/);
    expect(await ask(40_001)).toMatch(/^pod2/);
    const hasMoved = async () => (await ask(40_001)).startsWith("pod3");
    await waitFor("the flow to go to the new endpoint", hasMoved, { deadline: SECONDS * 1000 + 2000 });
    expect(performance.now() - start).toBeGreaterThan(SECONDS * 1000 - 200);
  });

  test("ends with the endpoint where the Service gives it no time", async () => {
    await change(draining(0), "pod2");
    running = await lab.start("nftables");
    expect(await ask(40_003)).toMatch(/^pod2/);
    await change(draining(0), "pod3");
    const hasMoved = async () => (await ask(40_003)).startsWith("pod3");
    await waitFor("the flow to go to the new endpoint", hasMoved, { deadline: 1000 });
  });
});
