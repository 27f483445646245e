import { describe, expect, test } from "vitest";
import type { JsonObject } from "../../../../lab/api/json.ts";
import { bareApi, create, DUAL_STACK, refusal, targetOf } from "./support.ts";

const service = (spec: JsonObject, name = "web"): JsonObject => ({
  metadata: { name },
  spec: { ports: [{ port: 80 }], ...spec },
});
const specOf = (spec: JsonObject, cidrs = DUAL_STACK) => create(bareApi(cidrs), "services", service(spec)).spec;

describe("a new Service", () => {
  test("of type ClusterIP gets an address and the defaults", () => {
    expect(specOf({})).toEqual({
      type: "ClusterIP",
      clusterIP: "10.96.1.0",
      clusterIPs: ["10.96.1.0"],
      ipFamilies: ["IPv4"],
      ipFamilyPolicy: "SingleStack",
      sessionAffinity: "None",
      internalTrafficPolicy: "Cluster",
      ports: [{ port: 80, protocol: "TCP", targetPort: 80 }],
    });
  });

  test("of type LoadBalancer gets node ports, and a health check port when it is Local", () => {
    expect(specOf({ type: "LoadBalancer", externalTrafficPolicy: "Local" })).toMatchObject({
      allocateLoadBalancerNodePorts: true,
      externalTrafficPolicy: "Local",
      healthCheckNodePort: 30087,
      ports: [{ nodePort: 30086 }],
    });
  });

  test("without node ports when it says so", () => {
    expect(specOf({ type: "LoadBalancer", allocateLoadBalancerNodePorts: false })).toMatchObject({
      ports: [{ port: 80, protocol: "TCP", targetPort: 80 }],
    });
  });

  const cases: { name: string; spec: JsonObject; cidrs?: string[]; want: JsonObject }[] = [
    {
      name: "dual stack",
      spec: { ipFamilyPolicy: "PreferDualStack" },
      want: { ipFamilies: ["IPv4", "IPv6"], clusterIPs: ["10.96.1.0", "fd00:10:96::100"] },
    },
    {
      name: "preferring dual stack in a single-stack cluster",
      spec: { ipFamilyPolicy: "PreferDualStack" },
      cidrs: ["10.96.0.0/16"],
      want: { ipFamilies: ["IPv4"], clusterIPs: ["10.96.1.0"] },
    },
    {
      name: "IPv6 first",
      spec: { ipFamilies: ["IPv6"] },
      want: { ipFamilies: ["IPv6"], ipFamilyPolicy: "SingleStack", clusterIP: "fd00:10:96::100" },
    },
    { name: "headless", spec: { clusterIP: "None" }, want: { clusterIP: "None", clusterIPs: ["None"] } },
    { name: "with a chosen address", spec: { clusterIP: "10.96.0.10" }, want: { clusterIPs: ["10.96.0.10"] } },
    {
      name: "with affinity",
      spec: { sessionAffinity: "ClientIP" },
      want: { sessionAffinityConfig: { clientIP: { timeoutSeconds: 10800 } } },
    },
  ];
  test.each(cases)("$name", ({ spec, cidrs, want }) => {
    expect(specOf(spec, cidrs)).toMatchObject(want);
  });

  test("of type ExternalName has no address", () => {
    expect(specOf({ type: "ExternalName", externalName: "a.example", ports: [] })).toEqual({
      type: "ExternalName",
      externalName: "a.example",
      ports: [],
      sessionAffinity: "None",
    });
  });
});

describe("a changed Service", () => {
  test("keeps address and node port over an update that leaves them out, loses them with its type", () => {
    const api = bareApi();
    create(api, "services", service({ type: "NodePort" }));
    const target = targetOf(api, "services", "web");
    const same = { spec: { type: "LoadBalancer", clusterIP: "10.96.1.0", ports: [{ port: 80, nodePort: 30086 }] } };
    expect(api.update(target, service({ type: "LoadBalancer" }), "object").object).toMatchObject(same);
    const plain = api.update(target, service({ type: "ClusterIP" }), "object").object;
    expect(plain.spec).not.toHaveProperty("externalTrafficPolicy");
    expect(plain).toMatchObject({ spec: { ports: [{ port: 80, protocol: "TCP", targetPort: 80 }] } });
    expect(
      create(api, "services", service({ type: "NodePort", ports: [{ port: 1, nodePort: 30086 }] }, "b")),
    ).toBeDefined();
  });

  test("frees what it held when it is deleted, but does not hand it out again at once", () => {
    const api = bareApi();
    create(api, "services", service({}));
    api.remove(targetOf(api, "services", "web"));
    expect(create(api, "services", service({}, "b"))).toMatchObject({ spec: { clusterIP: "10.96.1.1" } });
    expect(create(api, "services", service({ clusterIP: "10.96.1.0" }, "c"))).toBeDefined();
  });
});

describe("a wrong Service is refused", () => {
  const cases: [JsonObject, string][] = [
    [{ ports: [] }, "spec.ports: Required value"],
    [{ type: "X" }, 'spec.type: Unsupported value: "X"'],
    [{ ports: [{ port: 0 }] }, "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535"],
    [{ ports: [{ port: 1 }, { port: 2 }] }, "spec.ports[0].name: Required value"],
    [
      {
        ports: [
          { port: 1, name: "a" },
          { port: 2, name: "a" },
        ],
      },
      'spec.ports[1].name: Duplicate value: "a"',
    ],
    [{ ports: [{ port: 1, name: "A" }] }, 'spec.ports[0].name: Invalid value: "A"'],
    [{ type: "NodePort", ports: [{ port: 1, nodePort: 80 }] }, "The range of valid ports is 30000-32767"],
    [{ type: "NodePort", ports: [{ port: 1, nodePort: 30500 }] }, "provided port is already allocated"],
    [{ clusterIP: "10.96.0.5" }, "provided IP is already allocated"],
    [{ clusterIP: "192.0.2.1" }, "the provided network does not match the current range"],
    [{ clusterIP: "x" }, "must be a valid IP address"],
    [{ type: "ExternalName" }, "spec.externalName: Required value"],
    [{ loadBalancerSourceRanges: ["x"] }, 'spec.loadBalancerSourceRanges[0]: Invalid value: "x"'],
    [
      { sessionAffinityConfig: { clientIP: { timeoutSeconds: 0 } }, sessionAffinity: "ClientIP" },
      "must be greater than 0",
    ],
  ];
  test.each(cases)("%j: %s", (spec, want) => {
    const api = bareApi();
    const first = { type: "NodePort", clusterIP: "10.96.0.5", ports: [{ port: 1, nodePort: 30500 }] };
    create(api, "services", service(first, "first"));
    const { status, message } = refusal(() => create(api, "services", service(spec)));
    expect(status).toBe(422);
    expect(message).toContain(want);
  });

  test("the class and the address may not change", () => {
    const api = bareApi();
    create(api, "services", service({ type: "LoadBalancer" }));
    const change = (spec: JsonObject) => () =>
      api.patch(targetOf(api, "services", "web"), { kind: "merge", body: { spec } }, "object");
    expect(refusal(change({ loadBalancerClass: "x.io/y" })).message).toContain("may not change once set");
    expect(refusal(change({ clusterIP: "10.96.9.9", clusterIPs: ["10.96.9.9"] })).message).toContain(
      "may not change once set",
    );
  });

  test("addresses chosen by hand are skipped, and a full range says so", () => {
    const api = bareApi(["10.96.0.0/29"]);
    create(api, "services", service({ clusterIP: "10.96.0.2" }, "chosen"));
    const given = [1, 2, 3, 4, 5].map((i) => create(api, "services", service({}, `s${i}`)).spec);
    expect(given.map((spec) => (spec as JsonObject).clusterIP)).toEqual([1, 3, 4, 5, 6].map((i) => `10.96.0.${i}`));
    expect(refusal(() => create(api, "services", service({}, "more"))).message).toContain(
      "the ipv4 service range is full",
    );
  });

  test("a node port taken by the range is never given twice", () => {
    const api = bareApi();
    const ports = Array.from({ length: 100 }, (_, i) => {
      const { spec } = create(api, "services", service({ type: "NodePort" }, `s${i}`));
      return (spec as { ports: { nodePort: number }[] }).ports[0]!.nodePort;
    });
    expect(new Set(ports).size).toBe(100);
  });
});

describe("a ServiceCIDR", () => {
  const cidr = (...cidrs: string[]): JsonObject => ({ metadata: { name: "more" }, spec: { cidrs } });

  test("lets Services choose addresses in it, for as long as it is there", () => {
    const api = bareApi();
    const chosen = (name: string) => () => create(api, "services", service({ clusterIP: "10.97.0.9" }, name));
    expect(refusal(chosen("early")).message).toContain("does not match the current range");
    create(api, "servicecidrs.networking.k8s.io", cidr("10.97.0.0/24"), "");
    expect(chosen("web")()).toMatchObject({ spec: { clusterIP: "10.97.0.9" } });
    api.remove(targetOf(api, "services", "web"));
    api.remove(targetOf(api, "servicecidrs.networking.k8s.io", "more"));
    expect(refusal(chosen("late")).message).toContain("does not match the current range");
  });

  test("is refused with a prefix that is none", () => {
    const wrong = () => create(bareApi(), "servicecidrs.networking.k8s.io", cidr("10.97.0.0/24", "10.98.0.0/64"), "");
    expect(refusal(wrong).message).toContain("spec.cidrs[1]");
  });
});
