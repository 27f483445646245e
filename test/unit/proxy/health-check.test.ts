import { describe, expect, test } from "vitest";
import { Freshness } from "../../../proxy/freshness.ts";
import { healthCheckOf, healthCheckPage, isEligible, nodePage } from "../../../proxy/health-check.ts";
import { service, slice } from "./cluster.ts";

const local = { externalTrafficPolicy: "Local", healthCheckNodePort: 32_000 } as const;
const web = service("web", local, ["192.168.1.100"]);

describe("healthCheckOf()", () => {
  test("counts ready endpoints of this node, each address once", () => {
    const slices = [
      slice("web", [
        { address: "10.244.1.7", node: "node1" },
        { address: "10.244.1.8", node: "node1", ready: false },
        { address: "10.244.1.9", node: "node1", terminating: true },
        { address: "10.244.2.7" },
      ]),
      slice("web", [{ address: "10.244.1.7", node: "node1" }], "web-2"),
    ];
    expect(healthCheckOf(web, slices, "node1")).toEqual({
      namespace: "shop",
      name: "web",
      port: 32_000,
      localEndpoints: 1,
    });
  });

  test.each([
    ["of another type", service("web", local)],
    ["with the external policy Cluster", service("web", { healthCheckNodePort: 32_000 }, ["192.168.1.100"])],
    ["without a port for it", service("web", { externalTrafficPolicy: "Local" }, ["192.168.1.100"])],
  ])("is undefined for Services %s", (_, other) => {
    expect(healthCheckOf(other, [], "node1")).toBeUndefined();
  });
});

describe("healthCheckPage()", () => {
  const check = { namespace: "shop", name: "web", port: 32_000, localEndpoints: 2 };

  test("says yes with local endpoints and a healthy proxy only", () => {
    expect(healthCheckPage(check, true)).toEqual({
      status: 200,
      headers: { "X-Load-Balancing-Endpoint-Weight": "2" },
      body: '{"service":{"namespace":"shop","name":"web"},"localEndpoints":2,"serviceProxyHealthy":true}',
    });
    expect(healthCheckPage(check, false).status).toBe(503);
    expect(healthCheckPage({ ...check, localEndpoints: 0 }, true).status).toBe(503);
  });
});

describe("nodePage()", () => {
  const facts = { healthy: true, eligible: false, now: 90_000, updated: 30_000 };

  test("turns connections away from a node that is about to go, but lets the agent live", () => {
    expect(nodePage("/healthz", facts).status).toBe(503);
    expect(nodePage("/livez", facts).status).toBe(200);
    expect(JSON.parse(nodePage("/livez", facts).body)).not.toHaveProperty("nodeEligible");
  });

  test("tells when the rules were last right", () => {
    const body = JSON.parse(nodePage("/healthz", { ...facts, healthy: false }).body);
    expect(body).toEqual({
      lastUpdated: "1970-01-01T00:00:30.000Z",
      currentTime: "1970-01-01T00:01:30.000Z",
      nodeEligible: false,
    });
  });
});

describe("isEligible()", () => {
  test("is false for nodes that go", () => {
    expect(isEligible(undefined)).toBe(true);
    expect(isEligible({ spec: { taints: [{ key: "other", effect: "NoSchedule" }] } })).toBe(true);
    expect(isEligible({ spec: { taints: [{ key: "ToBeDeletedByClusterAutoscaler", effect: "NoSchedule" }] } })).toBe(
      false,
    );
  });
});

describe("Freshness", () => {
  test("is lost when a change waits for a minute, however often others are tried", () => {
    const fresh = new Freshness();
    fresh.changed(0);
    fresh.begin();
    fresh.end(1_000, "failed");
    fresh.changed(50_000);
    fresh.begin();
    expect(fresh.isFresh(59_999)).toBe(true);
    expect(fresh.isFresh(60_000)).toBe(false);
    fresh.end(61_000, "written");
    expect(fresh.isFresh(1_000_000)).toBe(true);
    expect(fresh.updated).toBe(61_000);
  });
});
