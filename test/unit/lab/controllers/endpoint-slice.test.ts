import { describe, expect, test } from "vitest";
import type { V1Pod, V1Service } from "../../../../kube/mod.ts";
import { buildEndpointSlices } from "../../../../lab/controllers/mod.ts";

function pod(
  name: string,
  change: { readonly ready?: boolean; readonly deleted?: boolean; readonly port?: number } = {},
): V1Pod {
  const { ready = true, deleted = false, port = 8080 } = change;
  const number = Number(name.slice(1));
  return {
    metadata: {
      name,
      namespace: "default",
      uid: `uid-${name}`,
      labels: { app: "web" },
      ...(deleted ? { deletionTimestamp: "2026-01-01T00:00:00Z" } : {}),
    },
    spec: { nodeName: "node1", containers: [{ name: "c", ports: [{ name: "http", containerPort: port }] }] },
    status: {
      phase: "Running",
      podIP: `10.244.1.${number}`,
      podIPs: [{ ip: `10.244.1.${number}` }, { ip: `fd00::${number}` }],
      conditions: [{ type: "Ready", status: ready ? "True" : "False" }],
    },
  };
}

function service(spec: V1Service["spec"] = {}): V1Service {
  return {
    metadata: { name: "web", namespace: "default", uid: "s1", labels: { team: "a" } },
    spec: { selector: { app: "web" }, ports: [{ name: "main", port: 80, targetPort: "http" }], ...spec },
  };
}

describe("buildEndpointSlices()", () => {
  test("names the Service, its labels and its owner, and resolves the named port", () => {
    const [slice, ...rest] = buildEndpointSlices(service(), [pod("p1")]);
    expect(rest).toEqual([]);
    expect(slice?.metadata?.labels).toMatchObject({ team: "a", "kubernetes.io/service-name": "web" });
    expect(slice?.metadata?.ownerReferences).toMatchObject([{ kind: "Service", uid: "s1" }]);
    expect(slice?.ports).toEqual([{ name: "main", port: 8080, protocol: "TCP" }]);
    expect(slice?.endpoints).toMatchObject([
      { addresses: ["10.244.1.1"], nodeName: "node1", targetRef: { kind: "Pod", name: "p1", uid: "uid-p1" } },
    ]);
  });

  test.each([
    { name: "a ready pod", change: {}, want: { ready: true, serving: true, terminating: false } },
    {
      name: "a pod that is not ready",
      change: { ready: false },
      want: { ready: false, serving: false, terminating: false },
    },
    {
      name: "a pod that is going",
      change: { deleted: true },
      want: { ready: false, serving: true, terminating: true },
    },
    {
      name: "a pod that is going and not ready",
      change: { deleted: true, ready: false },
      want: { ready: false, serving: false, terminating: true },
    },
  ])("tells the conditions of $name", ({ change, want }) => {
    expect(buildEndpointSlices(service(), [pod("p1", change)])[0]?.endpoints?.[0]?.conditions).toEqual(want);
  });

  test("calls pods ready that are not when the Service wants them published", () => {
    const [slice] = buildEndpointSlices(service({ publishNotReadyAddresses: true }), [pod("p1", { ready: false })]);
    expect(slice?.endpoints?.[0]?.conditions).toMatchObject({ ready: true, serving: false });
  });

  test("makes a slice for each set of port numbers", () => {
    const slices = buildEndpointSlices(service(), [pod("p1"), pod("p2", { port: 9090 }), pod("p3")]);
    expect(slices.map(({ ports }) => ports?.[0]?.port)).toEqual([8080, 9090]);
    expect(new Set(slices.map(({ metadata }) => metadata?.name)).size).toBe(2);
  });

  test("makes slices of at most 100 endpoints with names of their own", () => {
    const pods = Array.from({ length: 250 }, (_, i) => pod(`p${i + 1}`));
    const slices = buildEndpointSlices(service(), pods);
    expect(slices.map(({ endpoints }) => endpoints?.length)).toEqual([100, 100, 50]);
    expect(new Set(slices.map(({ metadata }) => metadata?.name)).size).toBe(3);
  });

  test("makes slices for each family of a dual-stack Service", () => {
    const slices = buildEndpointSlices(service({ ipFamilies: ["IPv4", "IPv6"] }), [pod("p1")]);
    expect(slices.map(({ addressType, endpoints }) => [addressType, endpoints?.[0]?.addresses[0]])).toEqual([
      ["IPv4", "10.244.1.1"],
      ["IPv6", "fd00::1"],
    ]);
  });

  test("says with one empty slice that there are no endpoints", () => {
    const other = { ...pod("p1"), metadata: { ...pod("p1").metadata, labels: { app: "other" } } };
    expect(buildEndpointSlices(service(), [other])).toMatchObject([{ endpoints: [] }]);
  });

  test("leaves out finished pods and pods without an address", () => {
    const finished = { ...pod("p1"), status: { ...pod("p1").status, phase: "Succeeded" } };
    const young = { ...pod("p2"), status: { phase: "Pending" } };
    expect(buildEndpointSlices(service(), [finished, young])[0]?.endpoints).toEqual([]);
  });

  test.each([
    { name: "without a selector", spec: { selector: {} } },
    { name: "of type ExternalName", spec: { type: "ExternalName" } },
  ])("makes none for a Service $name", ({ spec }) =>
    expect(buildEndpointSlices(service(spec), [pod("p1")])).toEqual([]),
  );
});
