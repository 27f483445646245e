import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { kernelOf, removeRules } from "../../proxy/mod.ts";
import {
  ADDRESSES,
  createProxyLab,
  HOMES,
  type ProxyLab,
  podSlice,
  type RunningProxy,
  webService,
} from "./support/proxy-lab.ts";

const CLUSTER_IP = "10.96.0.10";
const VIP = "192.168.1.100";

let lab: ProxyLab;
let running: RunningProxy;

beforeAll(async () => {
  lab = await createProxyLab();
});
afterEach(async () => {
  await running.stop();
  await removeRules(kernelOf(lab.netns));
});
afterAll(() => lab.remove());

/** Values of one metric by its labels, "key=value" joined by a blank. */
async function read(name: string): Promise<Record<string, number>> {
  const { values = [] } = (await running.metrics.getSingleMetric(name)?.get()) ?? {};
  return Object.fromEntries(values.map(({ labels, value }) => [Object.values(labels).join(" "), value]));
}

async function ask(times: number, host: string, port: number, protocol: "tcp" | "udp" = "tcp"): Promise<void> {
  for (let i = 0; i < times; i++) expect(await lab.hosts.client.ask(host, port, { protocol })).toMatch(/^pod/);
}

describe.each(HOMES)("%s", (home) => {
  test("counts the connections to each port of a Service, over every frontend and both families", async () => {
    lab.stores.services.set(webService());
    for (const family of ["ipv4", "ipv6"] as const) lab.stores.slices.set(podSlice(family, { pod1: {}, pod2: {} }));
    running = await lab.start(home);
    expect(await read("ironbridge_proxy_service_connections_total")).toEqual({});
    await ask(3, VIP, 80);
    await ask(2, ADDRESSES.node.ipv4, 30080);
    await ask(1, "fd00:1::100", 80);
    await ask(2, VIP, 53, "udp");
    expect(await lab.hosts.pod3.ask(CLUSTER_IP, 80)).toMatch(/^pod/);
    // A connection is counted once, however much goes over it.
    expect(await lab.hosts.client.order({ kind: "open", host: VIP, port: 80 })).toMatch(/^pod/);
    for (let i = 0; i < 5; i++) expect(await lab.hosts.client.order({ kind: "again" })).toMatch(/^pod/);
    await connections().toEqual({
      "shop web http": 8,
      "shop web dns": 2,
    });

    for (const family of ["ipv4", "ipv6"] as const) lab.stores.slices.set(podSlice(family, { pod1: {} }));
    await running.settled();
    await ask(1, VIP, 80);
    await connections().toMatchObject({ "shop web http": 9 });

    lab.stores.services.remove("shop/web");
    await running.settled();
    await connections().toEqual({});
    if (home === "nftables") {
      expect(await lab.run("nft", "list", "set", "ip", "ironbridge-proxy", "connections")).not.toContain("elements");
    }
  });

  test("tells how much it holds in the kernel and which Services have no endpoint here", async () => {
    lab.stores.services.set(webService({ externalTrafficPolicy: "Local" }));
    lab.stores.slices.set(podSlice("ipv4", { pod1: { node: "node2" } }));
    lab.stores.slices.set(podSlice("ipv6", { pod1: {} }));
    running = await lab.start(home);
    const sizes = await read(
      home === "nftables" ? "ironbridge_proxy_nftables_objects" : "kubeproxy_sync_proxy_rules_iptables_total",
    );
    const kinds = home === "nftables" ? ["chains", "elements"] : ["nat", "filter"];
    for (const kind of kinds) expect(sizes[`${kind} IPv4`]).toBeGreaterThan(0);
    expect(await read("kubeproxy_sync_proxy_rules_no_local_endpoints_total")).toEqual({
      "internal IPv4": 0,
      "external IPv4": 2,
      "internal IPv6": 0,
      "external IPv6": 0,
    });
    if (home !== "nftables") expect(sizes["nat IPv4"]).toBe(await countRules(home));
  });
});

/** The kernel is read again once that is cheap enough. */
function connections() {
  return expect.poll(() => read("ironbridge_proxy_service_connections_total"), { timeout: 10_000 });
}

async function countRules(home: string): Promise<number> {
  const saved = await lab.run(`iptables-${home === "iptables-nft" ? "nft" : "legacy"}-save`, "-t", "nat");
  return saved.split("\n").filter((line) => /^-A .*IRON-/.test(line)).length;
}
