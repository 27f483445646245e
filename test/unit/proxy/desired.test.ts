import { describe, expect, test } from "vitest";
import type { V1Service } from "../../../kube/mod.ts";
import { desiredPorts, loadBalancerAddresses, SLICE_INDEXES, serviceKeyOf } from "../../../proxy/desired.ts";
import { SURROUNDINGS, service, slice } from "./cluster.ts";

const web = slice("web", [{ address: "10.244.1.7", node: "node1" }, { address: "10.244.2.7" }]);

describe("desiredPorts()", () => {
  test("gives one entry for each port, with the endpoints of each policy", () => {
    const ports = desiredPorts(service("web"), [web], SURROUNDINGS);
    expect(ports).toEqual([
      {
        affinitySeconds: 0,
        balancing: "random",
        serving: [],
        drain: 0,
        healthCheckNodePort: 0,
        name: "shop/web:http",
        family: "ipv4",
        protocol: "tcp",
        port: 80,
        clusterIp: "10.96.0.10",
        externalIps: [],
        loadBalancerIps: [],
        nodePort: 0,
        internalPolicy: "cluster",
        externalPolicy: "cluster",
        guarded: ["10.96.0.10"],
        cluster: [
          { address: "10.244.1.7", port: 8080, near: true },
          { address: "10.244.2.7", port: 8080, near: false },
        ],
        local: [{ address: "10.244.1.7", port: 8080, near: true }],
      },
    ]);
  });

  test.each<[string, V1Service]>([
    ["headless Services", service("web", { clusterIP: "None" })],
    ["Services without a cluster IP yet", service("web", { clusterIP: "" })],
    ["ExternalName", service("web", { type: "ExternalName" })],
    ["the label of headless Services", labelled("service.kubernetes.io/headless", "")],
    ["Services of another proxy", labelled("service.kubernetes.io/service-proxy-name", "other")],
  ])("passes over %s", (_, other) => {
    expect(desiredPorts(other, [web], SURROUNDINGS)).toEqual([]);
  });

  test("splits both families, whatever their order", () => {
    const dual = service("web", {
      clusterIPs: ["fd00:96::A", "10.96.0.10"],
      externalIPs: ["2001:DB8::1", "198.51.100.7"],
    });
    const ports = desiredPorts(dual, [web, slice("web", [{ address: "FD00:244::7" }])], SURROUNDINGS);
    expect(
      ports.map(({ family, clusterIp, externalIps, cluster }) => [family, clusterIp, externalIps, cluster.length]),
    ).toEqual([
      ["ipv4", "10.96.0.10", ["198.51.100.7"], 2],
      ["ipv6", "fd00:96::a", ["2001:db8::1"], 1],
    ]);
  });

  test("reads the policies", () => {
    const local = service("web", { internalTrafficPolicy: "Local", externalTrafficPolicy: "Local" });
    expect(desiredPorts(local, [web], SURROUNDINGS)).toMatchObject([
      { internalPolicy: "local", externalPolicy: "local" },
    ]);
  });

  test("guards load balancer addresses, but not those that are a node's own", () => {
    const balanced = service("web", {}, ["192.168.1.100", "192.168.1.12"]);
    expect(desiredPorts(balanced, [], SURROUNDINGS)[0]?.guarded).toEqual(["10.96.0.10", "192.168.1.100"]);
  });

  const ranges: { name: string; given: string[]; want: string[] | undefined }[] = [
    { name: "nobody's", given: [], want: undefined },
    { name: "those of the other family alone as none", given: ["2001:db8::/32"], want: undefined },
    { name: "those with white space", given: [" 198.51.100.0/24"], want: ["198.51.100.0/24"] },
    {
      name: "overlapping ones as the wider",
      given: ["10.1.0.0/16", "10.0.0.0/8", "10.1.0.0/16"],
      want: ["10.0.0.0/8"],
    },
    { name: "one address without its length", given: ["192.0.2.1/32"], want: ["192.0.2.1"] },
    {
      name: "those this node is in with the load balancer's address",
      given: ["192.168.1.8/29"],
      want: ["192.168.1.100", "192.168.1.8/29"],
    },
    { name: "unreadable ones as closed, not open", given: ["10.0.0.0/99"], want: [] },
  ];
  test.each(ranges)("reads source ranges: $name", ({ given, want }) => {
    const balanced = service("web", { loadBalancerSourceRanges: given }, ["192.168.1.100"]);
    expect(desiredPorts(balanced, [], SURROUNDINGS)[0]?.sourceRanges).toEqual(want);
  });
});

describe("loadBalancerAddresses()", () => {
  test("leaves out host names, ipMode Proxy, and Services that are no longer of the type", () => {
    const ingress = [{ ip: "192.168.1.100" }, { hostname: "lb.example.com" }, { ip: "192.168.1.101", ipMode: "Proxy" }];
    const balanced: V1Service = { ...service("web", {}, ["192.168.1.100"]), status: { loadBalancer: { ingress } } };
    expect(loadBalancerAddresses(balanced)).toEqual(["192.168.1.100"]);
    expect(loadBalancerAddresses({ ...balanced, spec: { type: "ClusterIP" } })).toEqual([]);
  });
});

describe("serviceKeyOf()", () => {
  test("is the Service's key, and nothing for slices that are not this proxy's", () => {
    expect(serviceKeyOf(web)).toBe("shop/web");
    expect(SLICE_INDEXES.service(web)).toEqual(["shop/web"]);
    expect(serviceKeyOf({ ...web, metadata: { name: "x", namespace: "shop" } })).toBeUndefined();
    const labels = { ...web.metadata?.labels, "service.kubernetes.io/headless": "" };
    expect(SLICE_INDEXES.service({ ...web, metadata: { ...web.metadata, labels } })).toEqual([]);
  });
});

function labelled(label: string, value: string): V1Service {
  const plain = service("web");
  return { ...plain, metadata: { ...plain.metadata, labels: { [label]: value } } };
}
