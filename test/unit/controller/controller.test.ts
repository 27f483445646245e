import { afterEach, describe, expect, test, vi } from "vitest";
import { IP_ADDRESS_POOLS, type IPAddressPool, L2_ADVERTISEMENTS } from "../../../config/mod.ts";
import { type FakeKubeClient, fakeKubeClient, NAMESPACES, SERVICES, type V1Service } from "../../../kube/mod.ts";
import { DUAL, poolObject, service } from "./objects.ts";
import { startOver } from "./start.ts";

const stops: AbortController[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop.abort();
});

function start(client: FakeKubeClient, lbClass?: string) {
  const running = startOver(client, lbClass === undefined ? {} : { lbClass });
  stops.push(running.stop);
  return running;
}

function apiWith(pools: readonly IPAddressPool[], services: readonly V1Service[] = []): FakeKubeClient {
  const client = fakeKubeClient();
  client.seed(IP_ADDRESS_POOLS, ...pools);
  client.seed(SERVICES, ...services);
  return client;
}

async function serviceOf(client: FakeKubeClient, name: string): Promise<V1Service | undefined> {
  return await client.get(SERVICES, { namespace: "default", name });
}

async function ipOf(client: FakeKubeClient, name: string): Promise<string> {
  const found = await serviceOf(client, name);
  return (found?.status?.loadBalancer?.ingress ?? []).map(({ ip }) => ip).join(",");
}

const until = (check: () => Promise<void> | void) => vi.waitFor(check, { timeout: 5000, interval: 10 });
const patchesOf = (client: FakeKubeClient, what: string) =>
  client.calls.filter((call) => call.startsWith(`patch ${what}`));

describe("startController()", () => {
  test("writes address and pool in one call, tells it, and frees the address on delete", async () => {
    const client = apiWith([poolObject("a", ["10.0.0.0/32"])], [service("web")]);
    const { controller, reporter } = start(client);
    await until(async () => expect(await ipOf(client, "web")).toBe("10.0.0.0"));
    expect((await serviceOf(client, "web"))?.metadata?.annotations).toEqual({
      "metallb.io/ip-allocated-from-pool": "a",
    });
    expect(patchesOf(client, "services")).toEqual(["patch services/status default/web"]);
    await until(() =>
      expect(reporter.notes).toEqual([
        { key: "default/web", type: "Normal", reason: "IPAllocated", message: 'Assigned IP ["10.0.0.0"]' },
      ]),
    );
    expect(controller.ready()).toBe(true);
    await client.create(SERVICES, service("next"));
    await until(() => expect(reporter.notes.at(-1)?.reason).toBe("AllocationFailed"));
    expect(controller.state()).toMatchObject({
      waiting: { "default/next": expect.stringContaining("no available IPs") },
    });
    await client.delete(SERVICES, { namespace: "default", name: "web" });
    await until(async () => expect(await ipOf(client, "next")).toBe("10.0.0.0"));
  });

  test("says on a Service whether it has its address, and why not", async () => {
    const web = service("web");
    const client = apiWith(
      [poolObject("a", ["10.0.0.0/32"])],
      [{ ...web, metadata: { ...web.metadata, generation: 7 } }],
    );
    start(client);
    const condition = async (name: string) => (await serviceOf(client, name))?.status?.conditions?.[0];
    await until(async () =>
      expect(await condition("web")).toMatchObject({
        ...{ type: "ironbridge.io/AddressAssigned", status: "True", reason: "IPAllocated" },
        message: '["10.0.0.0"] of pool "a"',
        observedGeneration: 7,
      }),
    );
    await client.create(SERVICES, service("next"));
    await until(async () =>
      expect(await condition("next")).toMatchObject({ status: "False", reason: "AllocationFailed" }),
    );
    const { lastTransitionTime } = (await condition("next"))!;
    expect(Date.now() - Date.parse(lastTransitionTime as string)).toBeLessThan(10_000);
    await client.delete(SERVICES, { namespace: "default", name: "web" });
    await until(async () => expect(await condition("next")).toMatchObject({ status: "True" }));
  });

  test("clears the status of a Service that is no LoadBalancer any more", async () => {
    const client = apiWith([poolObject("a", ["10.0.0.0/24"])], [service("web")]);
    start(client);
    await until(async () => expect(await ipOf(client, "web")).toBe("10.0.0.0"));
    await client.patch(
      SERVICES,
      { namespace: "default", name: "web" },
      { kind: "merge", body: { spec: { type: "ClusterIP" } } },
    );
    await until(async () => {
      const found = await serviceOf(client, "web");
      expect(found?.status).toEqual({ loadBalancer: {} });
      expect(found?.metadata?.annotations ?? {}).toEqual({});
    });
  });

  test("restarts without a single write when nothing changed", async () => {
    const client = apiWith([poolObject("a", ["10.0.0.0/31"])], [service("one"), service("two"), service("waits")]);
    const first = start(client);
    await until(async () => expect(await ipOf(client, "two")).not.toBe(""));
    first.stop.abort();
    await first.controller.done;
    const addresses = async () => Promise.all(["one", "two", "waits"].map((name) => ipOf(client, name)));
    const before = await addresses();
    const writes = patchesOf(client, "services").length;
    const second = start(client);
    await until(() => expect(second.controller.ready()).toBe(true));
    await until(() => expect(second.reporter.notes).toHaveLength(1));
    expect(await addresses()).toEqual(before);
    expect(patchesOf(client, "services")).toHaveLength(writes);
  });

  const faults: { name: string; fail: (client: FakeKubeClient) => void }[] = [
    { name: "conflicts", fail: (client) => client.fail("patch", 409, 3) },
    { name: "server errors", fail: (client) => client.fail("patch", 500, 2) },
    { name: "requests to slow down", fail: (client) => client.fail("patch", 429, 2) },
    { name: "no answers", fail: (client) => client.fail("patch", "unreachable", 2) },
    { name: "a watch that breaks", fail: (client) => client.cutWatches() },
    { name: "a watch too old", fail: (client) => client.expire() },
  ];
  test.each(faults)("$name lose no address, give none twice and tell nothing twice", async ({ fail }) => {
    const client = apiWith([poolObject("a", ["10.0.0.0/29"])]);
    const { controller, reporter } = start(client);
    await until(() => expect(controller.ready()).toBe(true));
    fail(client);
    const names = ["s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7"];
    await Promise.all(names.map((name) => client.create(SERVICES, service(name))));
    await until(async () => {
      const ips = await Promise.all(names.map((name) => ipOf(client, name)));
      expect(new Set(ips).size).toBe(8);
      expect(ips).not.toContain("");
    });
    await until(() =>
      expect(reporter.notes.map(({ key }) => key).sort()).toEqual(names.map((name) => `default/${name}`)),
    );
  });

  test("does not write an address to its next holder while the last one still shows it", async () => {
    const client = apiWith([poolObject("a", ["10.0.0.0/32"])], [service("one")]);
    const { controller } = start(client);
    await until(async () => expect(await ipOf(client, "one")).toBe("10.0.0.0"));
    await client.create(SERVICES, service("two"));
    await until(() => expect(controller.state()).toMatchObject({ waiting: { "default/two": expect.anything() } }));
    await until(() => expect(patchesOf(client, "services")).toHaveLength(2));
    await until(() => expect(patchesOf(client, "ipaddresspools")).toHaveLength(2)); // counters, condition
    client.fail("patch", 403);
    await client.update(SERVICES, { ...(await serviceOf(client, "one"))!, spec: { type: "ClusterIP" } });
    await until(async () => expect(await ipOf(client, "two")).toBe("10.0.0.0"));
    expect(patchesOf(client, "services")).toEqual([
      "patch services/status default/one", // gives the address
      "patch services/status default/two", // says that there is none
      "patch services/status default/one", // refused
      "patch services/status default/one", // takes it
      "patch services/status default/two",
    ]);
  });

  test("tells a mistake in a pool once, on the pool, and serves the other pools", async () => {
    const bad = poolObject("bad", ["10.0.0.9-10.0.0.1"]);
    const client = apiWith([bad, poolObject("good", ["10.0.1.0/24"])], [service("web")]);
    client.seed(L2_ADVERTISEMENTS, {
      metadata: { name: "twice", namespace: "metallb-system" },
      spec: { interfaces: ["x", "x"] },
    });
    const { controller, reporter } = start(client);
    await until(async () => expect(await ipOf(client, "web")).toBe("10.0.1.0"));
    for (let i = 0; i < 3; i++) {
      const addresses = [`10.0.${i + 2}.0/24`];
      await client.patch(
        IP_ADDRESS_POOLS,
        { namespace: "metallb-system", name: "good" },
        { kind: "merge", body: { spec: { addresses } } },
      );
      await until(async () => expect(await ipOf(client, "web")).toBe(`10.0.${i + 2}.0`));
    }
    controller.poke();
    const invalid = reporter.notes.filter(({ reason }) => reason === "ConfigurationInvalid");
    expect(invalid.map(({ key, type }) => `${type} ${key}`)).toEqual([
      "Warning metallb-system/bad",
      "Warning metallb-system/twice",
    ]);
    expect(invalid[0]?.message).toContain("runs backwards");
  });

  test("keeps the counters of a pool true, whoever writes them", async () => {
    const client = apiWith([poolObject("a", ["10.0.0.0/30", "fc00::/126"]), poolObject("big", ["fd00::/64"])], []);
    start(client);
    const status = async (name: string) =>
      (await client.get(IP_ADDRESS_POOLS, { namespace: "metallb-system", name }))?.status;
    const none = { assignedIPv4: 0, assignedIPv6: 0, availableIPv4: 4, availableIPv6: 4 };
    await until(async () => expect(await status("a")).toMatchObject(none));
    client.seed(SERVICES, service("web", { spec: DUAL }));
    const want = { assignedIPv4: 1, assignedIPv6: 1, availableIPv4: 3, availableIPv6: 3 };
    await until(async () => expect(await status("a")).toMatchObject(want));
    await until(async () => expect((await status("big"))?.availableIPv6).toBe(Number.MAX_SAFE_INTEGER));
    const name = { namespace: "metallb-system", name: "a" };
    await client.patch(IP_ADDRESS_POOLS, name, { kind: "merge", body: { status: { assignedIPv4: 99 } } }, "status");
    await until(async () => expect(await status("a")).toMatchObject(want));
    const addresses = ["10.0.0.0/29", "fc00::/125"];
    await client.patch(IP_ADDRESS_POOLS, name, { kind: "merge", body: { spec: { addresses } } });
    await until(async () => expect(await status("a")).toMatchObject({ ...want, availableIPv4: 7, availableIPv6: 7 }));
    await client.delete(SERVICES, { namespace: "default", name: "web" });
    await until(async () => expect(await status("a")).toMatchObject({ ...none, availableIPv4: 8, availableIPv6: 8 }));
  });

  test("follows the labels of namespaces", async () => {
    const selectors = [{ matchLabels: { team: "red" } }];
    const red = poolObject("red", { addresses: ["10.0.0.0/24"], serviceAllocation: { namespaceSelectors: selectors } });
    const client = apiWith([red], [service("web")]);
    client.seed(NAMESPACES, { metadata: { name: "default" } });
    const { reporter } = start(client);
    await until(() => expect(reporter.notes.at(-1)?.reason).toBe("AllocationFailed"));
    await client.patch(
      NAMESPACES,
      { name: "default" },
      { kind: "merge", body: { metadata: { labels: { team: "red" } } } },
    );
    await until(async () => expect(await ipOf(client, "web")).toBe("10.0.0.0"));
  });

  test("serves its class only", async () => {
    const mine = service("mine", { spec: { loadBalancerClass: "example.com/lb" } });
    const client = apiWith([poolObject("a", ["10.0.0.0/24"])], [mine, service("other")]);
    start(client, "example.com/lb");
    await until(async () => expect(await ipOf(client, "mine")).toBe("10.0.0.0"));
    expect(await ipOf(client, "other")).toBe("");
  });

  test("names legacy annotations once it writes a Service", async () => {
    const old = service("web", { annotations: { "metallb.universe.tf/address-pool": "a" } });
    const client = apiWith([poolObject("a", ["10.0.0.0/24"])], [old]);
    const { reporter } = start(client);
    await until(() =>
      expect(reporter.notes.map(({ reason }) => reason)).toEqual(["deprecatedAnnotation", "IPAllocated"]),
    );
    expect(reporter.notes[0]?.message).toContain("write metallb.io/address-pool");
  });

  test("shows MetalLB's metrics, and no pool that is gone", async () => {
    const client = apiWith(
      [poolObject("a", ["10.0.0.0/24", "fc00::/120"]), poolObject("b", ["10.0.1.0/30"])],
      [service("web")],
    );
    const { metrics } = start(client);
    await until(async () => expect(await ipOf(client, "web")).toBe("10.0.0.0"));
    const lines = async () => (await metrics.metrics()).split("\n").filter((line) => line.startsWith("metallb"));
    expect(await lines()).toEqual([
      'metallb_allocator_addresses_in_use_total{pool="a"} 1',
      'metallb_allocator_addresses_in_use_total{pool="b"} 0',
      'metallb_allocator_addresses_total{pool="a"} 512',
      'metallb_allocator_addresses_total{pool="b"} 4',
      'metallb_allocator_ipv4_addresses_in_use_total{pool="a"} 1',
      'metallb_allocator_ipv4_addresses_in_use_total{pool="b"} 0',
      'metallb_allocator_ipv4_addresses_total{pool="a"} 256',
      'metallb_allocator_ipv4_addresses_total{pool="b"} 4',
      'metallb_allocator_ipv6_addresses_in_use_total{pool="a"} 0',
      'metallb_allocator_ipv6_addresses_in_use_total{pool="b"} 0',
      'metallb_allocator_ipv6_addresses_total{pool="a"} 256',
      'metallb_allocator_ipv6_addresses_total{pool="b"} 0',
      'metallb_allocator_services_allocated_total{pool="a"} 1',
      'metallb_allocator_services_allocated_total{pool="b"} 0',
      "metallb_k8s_client_config_loaded_bool 1",
      "metallb_k8s_client_config_stale_bool 0",
      expect.stringMatching(/^metallb_k8s_client_updates_total \d+$/),
      "metallb_k8s_client_update_errors_total 0",
    ]);
    expect(await metrics.metrics()).toMatch(/ironbridge_controller_assignment_seconds_count 1\n/);
    await client.delete(IP_ADDRESS_POOLS, { namespace: "metallb-system", name: "b" });
    await until(async () => expect((await lines()).join()).not.toContain('pool="b"'));
  });

  test("1,000 Services at once have addresses after little work, whatever else the machine does", async () => {
    const client = apiWith([poolObject("a", ["10.0.0.0/16"])]);
    const { controller } = start(client);
    await until(() => expect(controller.ready()).toBe(true));
    const started = process.cpuUsage();
    const names = Array.from({ length: 1000 }, (_, i) => `s${i}`);
    await Promise.all(names.map((name) => client.create(SERVICES, service(name))));
    await vi.waitFor(() => expect(patchesOf(client, "services")).toHaveLength(1000), { timeout: 15_000, interval: 20 });
    const { user, system } = process.cpuUsage(started);
    expect((user + system) / 1000).toBeLessThan(4000);
  }, 20_000);
});
