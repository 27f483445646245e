import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createMetrics, IronbridgeError, type Metrics } from "../../../core/mod.ts";
import { type FakeStore, fakeStore, type V1EndpointSlice, type V1Node, type V1Service } from "../../../kube/mod.ts";
import { createListenSocket, type FakeNft, fakeIptables, fakeNft } from "../../../linux/mod.ts";
import { type Kernel, type Proxy as ServiceProxy, SLICE_INDEXES, startProxy } from "../../../proxy/mod.ts";
import { waitFor } from "../../support/wait.ts";
import { CLUSTER_CIDRS, service, slice } from "./cluster.ts";

let services: FakeStore<V1Service>;
let slices: FakeStore<V1EndpointSlice>;
let nodes: FakeStore<V1Node>;
let nft: FakeNft;
let metrics: Metrics;
let stop: AbortController;
let proxy: ServiceProxy;
let sysctls: Map<string, string>;
/** What the kernel says to scripts that match. */
let refused: RegExp | undefined;
let changeByOthers: () => void;
/** Events of the log, and its lines about SCTP. */
let told: string[];
let toldOfSctp: string[];

const node = (address: string): V1Node => ({
  metadata: { name: "node1" },
  status: { addresses: [{ type: "InternalIP", address }] },
});

function fakeKernel(): Kernel {
  return {
    nft: async () => ({
      ...nft,
      apply: async (script) => {
        if (refused?.test(script)) throw new IronbridgeError("IB_KERNEL_REFUSED", "refused by the test");
        await nft.apply(script);
      },
    }),
    iptables: async (family) => fakeIptables(family),
    watchNft: (onChange) => {
      changeByOthers = onChange;
      return { close: () => {} };
    },
    conntrack: () => ({ flows: () => [], remove: () => {}, close: () => {} }),
    addresses: () => [],
    deleteLink: () => {},
    watchAddresses: () => ({ close: () => {} }),
    listen: (_, port) => createListenSocket("127.0.0.1", port),
    listSysctls: () => [],
    readSysctl: (key) => sysctls.get(key),
    writeSysctl: (key, value) => void sysctls.set(key, value),
  };
}

beforeEach(async () => {
  services = fakeStore<V1Service>([service("web")]);
  slices = fakeStore<V1EndpointSlice>([slice("web", [{ address: "10.244.1.7" }])], SLICE_INDEXES);
  nodes = fakeStore<V1Node>([node("192.168.1.11")]);
  nft = fakeNft();
  metrics = createMetrics();
  stop = new AbortController();
  refused = undefined;
  sysctls = new Map([
    ["net/ipv4/ip_forward", "0"],
    ["net/ipv6/conf/all/forwarding", "0"],
  ]);
  told = [];
  toldOfSctp = [];
  proxy = start("nftables", fakeKernel());
  await until("the first sync", () => proxy.programmed("shop/web"));
});
afterEach(async () => {
  stop.abort();
  await proxy.done;
});

function start(mode: "nftables" | "iptables", kernel: Kernel): ServiceProxy {
  const write = (line: string) => {
    const { event, service: key, port, msg } = JSON.parse(line);
    told.push(event);
    if (event === "proxy.sctp.unavailable") toldOfSctp.push(`${key} ${port}: ${msg}`);
  };
  const log = pino({ level: "info" }, { write });
  const options = { node: "node1", mode, clusterCidrs: CLUSTER_CIDRS, services, slices, nodes, log, metrics, kernel };
  return startProxy(options, stop.signal);
}

/** Of the one that beforeEach() starts. */
async function stopFirst(): Promise<void> {
  stop.abort();
  await proxy.done;
  [stop, metrics] = [new AbortController(), createMetrics()];
}

function until(what: string, look: () => boolean): Promise<boolean> {
  return waitFor(what, look, { deadline: 2000, every: 1 });
}

describe("startProxy()", () => {
  test("writes what the stores hold and lets the node forward", () => {
    expect(proxy.ready()).toBe(true);
    expect(nft.dump()).toContain("10.96.0.10 . tcp . 80 : goto tcp-cluster-1");
    expect([...sysctls.values()]).toEqual(["1", "1"]);
    expect(proxy.state()).toEqual({ mode: "nftables", home: "nftables", inForce: true, services: 1 });
  });

  test("calls a Service programmed again once its change is written, and says so", async () => {
    let heard = 0;
    const unsubscribe = proxy.subscribe(() => heard++);
    slices.set(slice("web", [{ address: "10.244.1.8" }]));
    expect(proxy.programmed("shop/web")).toBe(false);
    await until("the change", () => proxy.programmed("shop/web"));
    expect(nft.dump()).toContain("10.96.0.10 . 80 . 0 : 10.244.1.8 . 8080");
    expect(heard).toBe(1);
    unsubscribe();
    slices.set(slice("web", [{ address: "10.244.1.9" }]));
    await until("the change", () => proxy.programmed("shop/web"));
    expect(heard).toBe(1);
  });

  test("writes only what changed", async () => {
    services.set(service("api", { clusterIP: "10.96.0.11" }));
    await until("the first change", () => proxy.programmed("shop/api"));
    slices.set(slice("api", [{ address: "10.244.1.8" }]));
    await until("the second change", () => proxy.programmed("shop/api"));
    expect(nft.applied.at(-1)).toBe(
      [
        "add element ip ironbridge-proxy tcp-endpoints { 10.96.0.11 . 80 . 0 : 10.244.1.8 . 8080 }",
        "add element ip ironbridge-proxy services { 10.96.0.11 . tcp . 80 : goto tcp-cluster-1 }",
        "delete element ip ironbridge-proxy no-endpoints { 10.96.0.11 . tcp . 80 }",
        "",
      ].join("\n"),
    );
  });

  test("removes the rules of a Service that is gone", async () => {
    services.remove("shop/web");
    expect(proxy.programmed("shop/web")).toBe(false);
    await until("the change", () => proxy.programmed("shop/web"));
    expect(nft.dump()).not.toContain("10.96.0.10");
  });

  test("keeps a change that was refused, and calls only its Service not programmed", async () => {
    refused = /10\.96\.0\.11/;
    services.set(service("api", { clusterIP: "10.96.0.11" }));
    const failure = () => nft.applied.length;
    const before = failure();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect([proxy.programmed("shop/api"), proxy.programmed("shop/web"), failure()]).toEqual([false, true, before]);
    refused = undefined;
    await until("the change", () => proxy.programmed("shop/api"));
    expect(nft.dump()).toContain("10.96.0.11");
  });

  test("tells of a failure once, however often it tries, and of its end", async () => {
    refused = /10\.96\.0\.11/;
    expect(proxy.problem()).toBeUndefined();
    services.set(service("api", { clusterIP: "10.96.0.11" }));
    const isTriedAgain = async () => (await metrics.metrics()).includes("ironbridge_proxy_sync_failures_total 3");
    await waitFor("three attempts", isTriedAgain, { deadline: 5000 });
    expect(proxy.problem()).toContain("refused by the test");
    refused = undefined;
    await until("the change", () => proxy.programmed("shop/api"));
    await until("the news", () => told.includes("proxy.sync.recovered"));
    expect(proxy.problem()).toBeUndefined();
    expect(told.filter((event) => event.startsWith("proxy.sync"))).toEqual([
      "proxy.sync.failed",
      "proxy.sync.recovered",
    ]);
  });

  test("writes everything again when others have removed it, and counts that", async () => {
    const before = nft.dump();
    await nft.apply("delete table ip ironbridge-proxy\n");
    changeByOthers();
    await until("the repair", () => nft.dump() === before);
    const isCounted = async () => (await metrics.metrics()).includes("ironbridge_proxy_repairs_total 1");
    await waitFor("the count", isCounted, { deadline: 2000 });
  });

  test("says so when rules that others have removed are back: a Service was not programmed meanwhile", async () => {
    const heard: boolean[] = [];
    proxy.subscribe(() => heard.push(proxy.programmed("shop/web")));
    await nft.apply("delete table ip ironbridge-proxy\n");
    changeByOthers();
    await until("the news", () => heard.length > 0);
    expect(heard).toEqual([true]);
  });

  test("follows the node's addresses", async () => {
    nodes.set(node("192.168.1.99"));
    await until("the change", () => nft.dump().includes("192.168.1.99"));
    expect(nft.dump()).not.toContain("192.168.1.11");
  });

  test("guards a load balancer address only while it is no node's", async () => {
    services.set(service("web", {}, ["192.168.1.12"]));
    await until("the change", () => proxy.programmed("shop/web"));
    const isGuarded = () => /set guarded-addresses \{[^}]*elements = \{[^}]*192\.168\.1\.12/.test(nft.dump());
    expect(isGuarded()).toBe(true);
    nodes.set({ ...node("192.168.1.12"), metadata: { name: "node2" } });
    await until("the change", () => !isGuarded());
  });

  test("gives an address that two Services want to the older, also when one is made anew", async () => {
    const young = service("young", {
      clusterIP: "10.96.0.12",
      externalIPs: ["198.51.100.7"],
      ports: [{ name: "http", port: 80 }],
    });
    const old = {
      ...young,
      metadata: { ...young.metadata, name: "old" },
      spec: { ...young.spec, clusterIP: "10.96.0.13" },
    };
    slices.set(slice("old", [{ address: "10.244.9.1" }]));
    slices.set(slice("young", [{ address: "10.244.9.2" }]));
    const at = (one: V1Service, year: number) => ({
      ...one,
      metadata: { ...one.metadata, creationTimestamp: `${year}-01-01T00:00:00Z` },
    });
    const holder = () => /198\.51\.100\.7 \. 80 \. 0 : (\S+)/.exec(nft.dump())?.[1];
    services.set(at(young, 2026));
    await until("the younger alone", () => holder() === "10.244.9.2");
    services.set(at(old, 2025));
    await until("the older", () => holder() === "10.244.9.1");
    services.set(at(old, 2027));
    await until("the one that is older now", () => holder() === "10.244.9.2");
  });

  test("measures from the change of the endpoints to the kernel", async () => {
    const changed = slice("web", [{ address: "10.244.1.8" }]);
    const annotations = {
      "endpoints.kubernetes.io/last-change-trigger-time": new Date(Date.now() - 3000).toISOString(),
    };
    slices.set({ ...changed, metadata: { ...changed.metadata, annotations } });
    await until("the change", () => proxy.programmed("shop/web"));
    const text = await metrics.metrics();
    expect(text).toContain('kubeproxy_network_programming_duration_seconds_bucket{le="2"} 0');
    expect(text).toContain('kubeproxy_network_programming_duration_seconds_bucket{le="4"} 1');
    expect(text).toMatch(/kubeproxy_sync_proxy_rules_last_timestamp_seconds 1\d{9}/);
  });
});

describe("startProxy() on a kernel without SCTP", () => {
  const phone = () =>
    service("phone", {
      clusterIP: "10.96.0.14",
      ports: [
        { name: "sip", port: 5060, protocol: "SCTP" },
        { name: "http", port: 80 },
      ],
    });

  test("leaves ports out that iptables can't match, and names them; all others are served", async () => {
    await stopFirst();
    const variantNft = {
      ipv4: fakeIptables("ipv4", { hasSctp: false }),
      ipv6: fakeIptables("ipv6", { hasSctp: false }),
    };
    const iptables: Kernel["iptables"] = async (family, variant) =>
      variant === "legacy" ? fakeIptables(family) : variantNft[family];
    services.set(phone());
    proxy = start("iptables", { ...fakeKernel(), iptables });
    await until("the Services", () => proxy.programmed("shop/phone") && proxy.programmed("shop/web"));
    expect(toldOfSctp).toEqual([
      "shop/phone 5060: this kernel's iptables can't match SCTP, so that this port is not forwarded; " +
        "load the module xt_sctp or choose the proxy mode nftables, and start the agent again",
    ]);
    const rules = variantNft.ipv4.dump();
    expect(rules).not.toContain("sctp");
    expect(rules).toContain("-d 10.96.0.10/32 -p tcp -m tcp --dport 80");
    expect(rules).toContain("-d 10.96.0.14/32 -p tcp -m tcp --dport 80");
  });

  test("names ports whose rules do nothing because their connections are not tracked", async () => {
    await stopFirst();
    sysctls.set("net/netfilter/nf_conntrack_tcp_timeout_established", "432000");
    services.set(phone());
    proxy = start("nftables", fakeKernel());
    await until("the Services", () => proxy.programmed("shop/phone"));
    expect(toldOfSctp).toEqual([expect.stringMatching(/^shop\/phone 5060: .*CONFIG_NF_CT_PROTO_SCTP$/)]);
    expect(nft.dump()).toContain("10.96.0.14 . sctp . 5060");
  });
});
