import { describe, expect, test } from "vitest";
import type { V1EndpointSlice } from "../../../kube/mod.ts";
import { mergeEndpoints, type Place, selectEndpoints } from "../../../proxy/endpoints.ts";
import { type EndpointFacts, slice } from "./cluster.ts";

const HERE: Place = { node: "node1", zone: "a" };
const HTTP = { family: "ipv4", name: "http", protocol: "tcp" } as const;

function merged(...slices: readonly V1EndpointSlice[]): string[] {
  return mergeEndpoints(slices, HTTP, HERE).map(({ address, port }) => `${address}:${port}`);
}

describe("mergeEndpoints()", () => {
  test("gives the endpoints of all slices in the order of their text", () => {
    const slices = [slice("web", [{ address: "10.0.0.9" }], "b"), slice("web", [{ address: "10.0.0.10" }], "a")];
    expect(merged(...slices)).toEqual(["10.0.0.10:8080", "10.0.0.9:8080"]);
  });

  test.each<[string, V1EndpointSlice]>([
    ["another family", { ...slice("web", [{ address: "10.0.0.1" }]), addressType: "IPv6" }],
    ["FQDN slices", { ...slice("web", [{ address: "10.0.0.1" }]), addressType: "FQDN" }],
    ["another port name", { ...slice("web", [{ address: "10.0.0.1" }]), ports: [{ name: "dns", port: 53 }] }],
    [
      "another protocol",
      { ...slice("web", [{ address: "10.0.0.1" }]), ports: [{ name: "http", port: 1, protocol: "UDP" }] },
    ],
    ["ports without a number", { ...slice("web", [{ address: "10.0.0.1" }]), ports: [{ name: "http" }] }],
    ["what is no address", slice("web", [{ address: "db.example.com" }])],
    [
      "slices without endpoints",
      { metadata: {}, addressType: "IPv4", ports: [{ name: "http", port: 1 }], endpoints: [] },
    ],
  ])("passes over %s", (_, other) => {
    expect(merged(other)).toEqual([]);
  });

  test("reads a port without a protocol as TCP and one without a name as the only one", () => {
    const only = { ...slice("web", [{ address: "10.0.0.1" }]), ports: [{ port: 9 }] };
    expect(mergeEndpoints([only], { ...HTTP, name: "" }, HERE)).toHaveLength(1);
  });

  test("writes addresses in canonical form", () => {
    expect(merged(slice("web", [{ address: "010.000.000.009" }]))).toEqual(["10.0.0.9:8080"]);
  });

  test("takes absent conditions for ready, serving and not terminating", () => {
    const bare: V1EndpointSlice = {
      ...slice("web", []),
      addressType: "IPv4",
      endpoints: [{ addresses: ["10.0.0.1"] }],
    };
    expect(mergeEndpoints([bare], HTTP, HERE)).toMatchObject([
      { ready: true, serving: true, terminating: false, near: true },
    ]);
  });

  test.each([["old first"], ["new first"]])(
    "keeps a ready endpoint that another slice calls terminating, %s",
    (order) => {
      const old = slice("web", [{ address: "10.0.0.1", ready: false, serving: true, terminating: true }], "a");
      const young = slice("web", [{ address: "10.0.0.1" }], "b");
      const slices = order === "old first" ? [old, young] : [young, old];
      expect(mergeEndpoints(slices, HTTP, HERE)).toMatchObject([{ ready: true, terminating: false }]);
    },
  );
});

describe("selectEndpoints()", () => {
  const ready = (address: string, more: Partial<EndpointFacts> = {}) => ({ address, ...more });
  const dying = (address: string, more: Partial<EndpointFacts> = {}) => ({
    address,
    ready: false,
    serving: true,
    terminating: true,
    ...more,
  });
  const broken = (address: string) => ({ address, ready: false, serving: false });
  const here = { node: "node1" };

  const cases: { name: string; endpoints: EndpointFacts[]; cluster: string[]; local: string[]; place?: Place }[] = [
    { name: "nothing of nothing", endpoints: [], cluster: [], local: [] },
    {
      name: "all ready ones, and of these the local ones",
      endpoints: [ready("10.0.0.1", here), ready("10.0.0.2"), broken("10.0.0.3")],
      cluster: ["10.0.0.1", "10.0.0.2"],
      local: ["10.0.0.1"],
    },
    {
      name: "no terminating one while another is ready",
      endpoints: [ready("10.0.0.1"), dying("10.0.0.2")],
      cluster: ["10.0.0.1"],
      local: [],
    },
    {
      name: "terminating ones that serve when none is ready",
      endpoints: [dying("10.0.0.1", here), dying("10.0.0.2"), broken("10.0.0.3")],
      cluster: ["10.0.0.1", "10.0.0.2"],
      local: ["10.0.0.1"],
    },
    {
      name: "local terminating ones though others elsewhere are ready",
      endpoints: [dying("10.0.0.1", here), ready("10.0.0.2")],
      cluster: ["10.0.0.2"],
      local: ["10.0.0.1"],
    },
    {
      name: "no terminating one that does not serve",
      endpoints: [dying("10.0.0.1", { serving: false })],
      cluster: [],
      local: [],
    },
    {
      name: "those of this zone when all have hints",
      endpoints: [ready("10.0.0.1", { zones: ["a"] }), ready("10.0.0.2", { zones: ["b"], ...here })],
      cluster: ["10.0.0.1"],
      local: ["10.0.0.2"],
    },
    {
      name: "all when one has no hint",
      endpoints: [ready("10.0.0.1", { zones: ["a"] }), ready("10.0.0.2")],
      cluster: ["10.0.0.1", "10.0.0.2"],
      local: [],
    },
    {
      name: "all when no hint names this zone",
      endpoints: [ready("10.0.0.1", { zones: ["b"] }), ready("10.0.0.2", { zones: ["c"] })],
      cluster: ["10.0.0.1", "10.0.0.2"],
      local: [],
    },
    {
      name: "all when the node has no zone",
      endpoints: [ready("10.0.0.1", { zones: ["a"] }), ready("10.0.0.2", { zones: ["b"] })],
      cluster: ["10.0.0.1", "10.0.0.2"],
      local: [],
      place: { node: "node1" },
    },
    {
      name: "those of this node before those of this zone",
      endpoints: [
        ready("10.0.0.1", { zones: ["a"], nodes: ["node1"] }),
        ready("10.0.0.2", { zones: ["a"], nodes: ["node2"] }),
      ],
      cluster: ["10.0.0.1"],
      local: [],
    },
    {
      name: "those of this zone when no hint names this node",
      endpoints: [
        ready("10.0.0.1", { zones: ["a"], nodes: ["node3"] }),
        ready("10.0.0.2", { zones: ["b"], nodes: ["node2"] }),
      ],
      cluster: ["10.0.0.1"],
      local: [],
    },
    {
      name: "terminating ones whatever their hints",
      endpoints: [dying("10.0.0.1", { zones: ["b"] }), dying("10.0.0.2", { zones: ["a"] })],
      cluster: ["10.0.0.1", "10.0.0.2"],
      local: [],
    },
  ];

  test.each(cases)("uses $name", ({ endpoints, cluster, local, place = HERE }) => {
    const selection = selectEndpoints(mergeEndpoints([slice("web", endpoints)], HTTP, place), place);
    expect(selection.cluster.map(({ address }) => address)).toEqual(cluster);
    expect(selection.local.map(({ address }) => address)).toEqual(local);
  });
});
