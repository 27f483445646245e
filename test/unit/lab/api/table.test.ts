import { describe, expect, test } from "vitest";
import type { ApiObject, Json, JsonObject } from "../../../../lab/api/json.ts";
import { compileJsonPath } from "../../../../lab/api/json-path.ts";
import { duration } from "../../../../lab/api/table.ts";
import { bareApi, kindOf } from "./support.ts";

describe("duration()", () => {
  test.each([
    [0, "0s"],
    [119, "119s"],
    [120, "2m"],
    [125, "2m5s"],
    [600, "10m"],
    [10_799, "179m"],
    [10_800, "3h"],
    [12_060, "3h21m"],
    [86_400, "24h"],
    [172_800, "2d"],
    [180_000, "2d2h"],
    [864_000, "10d"],
    [63_072_000, "2y"],
  ])("%i s is %s", (seconds, want) => expect(duration(seconds)).toBe(want));
});

describe("compileJsonPath()", () => {
  const value: Json = {
    spec: {
      a: [
        { n: "x", v: 1 },
        { n: "y", v: 2 },
      ],
      "d.e": "dot",
    },
    status: { conditions: [{ type: "Ready", status: "True" }] },
  };
  test.each<[string, Json[]]>([
    [".spec.a[0].v", [1]],
    [".spec.a[-1].n", ["y"]],
    [".spec.a[*].v", [1, 2]],
    ['.status.conditions[?(@.type=="Ready")].status', ["True"]],
    [".status.conditions[?(@.type=='Other')].status", []],
    [".spec['d.e']", ["dot"]],
    [".spec.d\\.e", ["dot"]],
    ["{.spec.a[1].n}", ["y"]],
    [".none.at.all", []],
  ])("%s", (path, want) => expect(compileJsonPath(path)(value)).toEqual(want));
});

describe("columns", () => {
  const api = bareApi();
  const now = Date.UTC(2026, 0, 1, 1);
  /** Cells by column name. */
  const cells = (storage: string, fields: JsonObject): Record<string, Json> => {
    const { columns } = kindOf(api, storage);
    const metadata = { name: "x", creationTimestamp: "2026-01-01T00:00:00Z" };
    const object = { apiVersion: "v1", kind: "", metadata, ...fields } as ApiObject;
    return Object.fromEntries(columns.map((column) => [column.name, column.cell(object, now)]));
  };

  const ports = [
    { port: 80, nodePort: 30001, protocol: "TCP" },
    { port: 53, protocol: "UDP" },
  ];
  const ingress = { loadBalancer: { ingress: [{ ip: "192.0.2.1" }, { hostname: "a.example" }] } };
  const waiting = { containerStatuses: [{ ready: false, restartCount: 2, state: { waiting: { reason: "Oops" } } }] };
  const cases: { name: string; storage: string; fields: JsonObject; want: Record<string, Json> }[] = [
    {
      name: "a Service that waits for its address",
      storage: "services",
      fields: { spec: { type: "LoadBalancer", clusterIP: "10.96.0.9", ports, selector: { b: "2", a: "1" } } },
      want: { "External-IP": "<pending>", "Port(s)": "80:30001/TCP,53/UDP", Selector: "a=1,b=2", Age: "60m" },
    },
    {
      name: "a Service with addresses",
      storage: "services",
      fields: { spec: { type: "LoadBalancer" }, status: ingress },
      want: { "External-IP": "192.0.2.1,a.example", "Port(s)": "<none>" },
    },
    {
      name: "a Pod that does not start",
      storage: "pods",
      fields: { spec: { containers: [{}, {}] }, status: { phase: "Pending", ...waiting } },
      want: { Ready: "0/2", Status: "Oops", Restarts: "2", IP: "<none>" },
    },
    {
      name: "a Node",
      storage: "nodes",
      fields: {
        metadata: { name: "n", labels: { "node-role.kubernetes.io/control-plane": "" } },
        spec: { unschedulable: true },
        status: {
          conditions: [{ type: "Ready", status: "True" }],
          addresses: [{ type: "InternalIP", address: "::1" }],
        },
      },
      want: { Status: "Ready,SchedulingDisabled", Roles: "control-plane", "Internal-IP": "::1", Age: "<unknown>" },
    },
    {
      name: "a Deployment",
      storage: "deployments.apps",
      fields: { spec: { replicas: 3 }, status: { readyReplicas: 2, updatedReplicas: 3 } },
      want: { Ready: "2/3", "Up-to-date": 3, Available: 0 },
    },
    {
      name: "an EndpointSlice with many endpoints",
      storage: "endpointslices.discovery.k8s.io",
      fields: {
        addressType: "IPv4",
        endpoints: [1, 2, 3, 4].map((n) => ({ addresses: [`10.0.0.${n}`] })),
        ports: [{}],
      },
      want: { Ports: "*", Endpoints: "10.0.0.1,10.0.0.2,10.0.0.3 + 1 more..." },
    },
    {
      name: "an Event",
      storage: "events",
      fields: {
        type: "Normal",
        involvedObject: { kind: "Service", name: "web" },
        lastTimestamp: "2026-01-01T00:59:50Z",
      },
      want: { "Last Seen": "10s", Object: "service/web", Count: 1 },
    },
  ];
  test.each(cases)("of $name", ({ storage, fields, want }) => {
    expect(cells(storage, fields)).toMatchObject(want);
  });
});
