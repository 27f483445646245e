import { afterEach, describe, expect, test, vi } from "vitest";
import { BGP_PEERS, CONFIGURATION_STATES, IP_ADDRESS_POOLS, L2_ADVERTISEMENTS } from "../../../config/mod.ts";
import { type FakeKubeClient, fakeKubeClient, type KubeClient, NODES, SERVICES } from "../../../kube/mod.ts";
import { unreachable } from "../../../kube/refusal.ts";
import { poolObject, service } from "./objects.ts";
import { LEASE_DURATION, type Running, type StartOptions, startOver } from "./start.ts";

const running: Running[] = [];
afterEach(() => {
  for (const { stop } of running.splice(0)) stop.abort();
});

function start(client: KubeClient, options?: StartOptions): Running {
  const started = startOver(client, options);
  running.push(started);
  return started;
}

const until = (check: () => void, timeout = 10_000) => vi.waitFor(check, { timeout, interval: 10 });
const names = (count: number, prefix = "s") => Array.from({ length: count }, (_, i) => `${prefix}${i}`);

function addressesOf(client: FakeKubeClient): readonly string[] {
  return client
    .objects(SERVICES)
    .flatMap(({ status }) => (status?.loadBalancer?.ingress ?? []).map(({ ip = "" }) => ip));
}

/** Every Service has one address, and no address has two Services. */
function expectComplete(client: FakeKubeClient, count: number): void {
  const addresses = addressesOf(client);
  expect(addresses).toHaveLength(count);
  expect(new Set(addresses).size).toBe(count);
}

function cluster(count: number): FakeKubeClient {
  const client = fakeKubeClient();
  client.seed(IP_ADDRESS_POOLS, poolObject("a", ["10.0.0.0/24"]));
  client.seed(SERVICES, ...names(count).map((name) => service(name)));
  return client;
}

interface Hang {
  readonly times: number;
  readonly carriedOut: boolean;
  /** Milliseconds until the caller gives up, as a client's deadline makes it do; never when absent. */
  readonly deadline?: number;
}

/** `client`, of which the next patches of Services are carried out or not, and not answered. */
function hanging(client: FakeKubeClient, { times, carriedOut, deadline }: Hang): KubeClient {
  let left = times;
  return {
    ...client,
    patch: async (resource, name, patch, part) => {
      if (resource.plural !== "services" || left-- <= 0) return await client.patch(resource, name, patch, part);
      if (carriedOut) await client.patch(resource, name, patch, part);
      const silence = new Promise<never>((_, reject) => {
        if (deadline !== undefined) setTimeout(() => reject(unreachable("patch", "no answer")), deadline);
      });
      return await silence;
    },
  };
}

describe("the controller when the API server is in trouble", () => {
  test.each([409, 429, 500, "unreachable"] as const)("%s to many writes in a row", async (how) => {
    const client = cluster(30);
    client.fail("patch", how, 20);
    start(client);
    await until(() => expectComplete(client, 30));
  });

  test.each([true, false])("writes that are never answered, carried out: %s", async (carriedOut) => {
    const client = cluster(30);
    start(hanging(client, { times: 20, carriedOut, deadline: 30 }));
    await until(() => expectComplete(client, 30));
  });

  test("an API server that starts anew and remembers no event, while Services come and go", async () => {
    const client = cluster(5);
    start(client);
    await until(() => expectComplete(client, 5));
    client.fail("watch", "unreachable", 10);
    client.fail("list", "unreachable", 10);
    client.expire();
    await client.delete(SERVICES, { namespace: "default", name: "s0" });
    client.seed(SERVICES, ...names(6, "new").map((name) => service(name)));
    client.expire();
    await until(() => expectComplete(client, 10));
  });

  test("watches cut again and again", async () => {
    const client = cluster(5);
    start(client);
    for (const name of names(20, "later")) {
      client.cutWatches();
      client.seed(SERVICES, service(name));
    }
    await until(() => expectComplete(client, 25));
  });

  test("history forgotten (410) while Services come and go", async () => {
    const client = cluster(5);
    start(client);
    await until(() => expectComplete(client, 5));
    for (const name of names(5)) await client.delete(SERVICES, { namespace: "default", name });
    client.expire();
    client.seed(SERVICES, ...names(256, "new").map((name) => service(name)));
    client.expire();
    await until(() => expectComplete(client, 256));
  });

  test("a list refused at the start", async () => {
    const client = cluster(3);
    client.fail("list", 500, 7);
    const { controller } = start(client);
    expect(controller.ready()).toBe(false);
    await until(() => expectComplete(client, 3));
    expect(controller.ready()).toBe(true);
  });

  test("a kind that the API server does not know holds no address up", async () => {
    const client = cluster(3);
    const partial: KubeClient = {
      ...client,
      list: async (resource, selectors) => {
        if (resource.plural === "bgppeers") throw new Error("the server could not find the requested resource");
        return await client.list(resource, selectors);
      },
    };
    start(partial);
    await until(() => expectComplete(client, 3));
  });

  test("a status emptied by somebody else is written again", async () => {
    const client = cluster(1);
    start(client);
    await until(() => expectComplete(client, 1));
    const body = { status: { loadBalancer: { ingress: null } } };
    await client.patch(SERVICES, { namespace: "default", name: "s0" }, { kind: "merge", body }, "status");
    await until(() => expect(addressesOf(client)).toEqual(["10.0.0.0"]));
  });
});

describe("several replicas of the controller", () => {
  test("only the leader writes; the other is ready", async () => {
    const client = cluster(3);
    const first = start(client, { identity: "a" });
    await until(() => expectComplete(client, 3));
    const second = start(client, { identity: "b" });
    await until(() => expect(second.controller.ready()).toBe(true));
    expect(second.controller.state()).toMatchObject({ leading: false, leader: "a" });
    expect(first.controller.state()).toMatchObject({ leading: true });
    expect(second.reporter.notes).toEqual([]);
  });

  const cases = [
    { name: "before its writes reached the server", carriedOut: false },
    { name: "after its writes reached the server", carriedOut: true },
  ];
  test.each(cases)("the leader is killed in the middle of an assignment, $name", async ({ carriedOut }) => {
    const client = cluster(40);
    const first = start(hanging(client, { times: 12, carriedOut }), { identity: "a" });
    await until(() => expect(first.leadership?.leading()).toBe(true));
    await until(() => expect(addressesOf(client).length).toBeGreaterThanOrEqual(carriedOut ? 12 : 0));
    const begun = performance.now();
    first.crash();
    const second = start(client, { identity: "b" });
    client.seed(SERVICES, ...names(20, "late").map((name) => service(name)));
    await until(() => expectComplete(client, 60));
    expect(second.leadership?.leading()).toBe(true);
    expect(performance.now() - begun).toBeLessThan(LEASE_DURATION * 5);
  });

  // As installed: a lease of 2 s. A machine with more to do than it can may be late once.
  test("another replica gives addresses within 3 s of the leader's death", { retry: 2, timeout: 30_000 }, async () => {
    const client = cluster(200);
    const leaseDuration = 2_000;
    const first = start(client, { identity: "a", leaseDuration });
    await until(() => expectComplete(client, 200));
    const second = start(client, { identity: "b", leaseDuration });
    await until(() => expect(second.controller.ready()).toBe(true));
    const died = performance.now();
    first.crash();
    client.seed(SERVICES, service("late"));
    await until(() => expectComplete(client, 201));
    expect(second.leadership?.leading()).toBe(true);
    expect(performance.now() - died).toBeLessThan(3_000);
  });

  test("leaders that die one after another never move an address", async () => {
    const client = cluster(10);
    for (const [i, identity] of ["a", "b", "c"].entries()) {
      const leader = start(client, { identity });
      await until(() => expectComplete(client, 10 + i * 10));
      const before = new Set(addressesOf(client));
      leader.crash();
      client.seed(SERVICES, ...names(10, identity).map((name) => service(name)));
      expect(new Set(addressesOf(client))).toEqual(before);
    }
  });

  test("what a Service gave up is remembered by the replica that takes over", async () => {
    const client = cluster(2);
    const memory = { remember: 60_000, coolDown: 0 };
    const first = start(client, { identity: "a", memory });
    await until(() => expectComplete(client, 2));
    const second = start(client, { identity: "b", memory });
    await until(() => expect(second.controller.ready()).toBe(true));
    const [{ status } = {}] = client.objects(SERVICES).filter(({ metadata }) => metadata?.name === "s1");
    const had = status?.loadBalancer?.ingress?.[0]?.ip;
    first.crash();
    await client.delete(SERVICES, { namespace: "default", name: "s1" });
    await until(() => expect(second.leadership?.leading()).toBe(true));
    client.seed(SERVICES, service("s1"));
    await until(() => expectComplete(client, 2));
    expect(addressesOf(client)).toContain(had);
  });
});

describe("what the controller says about configuration", () => {
  const conditionsOf = (client: FakeKubeClient) =>
    [...client.objects(IP_ADDRESS_POOLS), ...client.objects(L2_ADVERTISEMENTS)].map(({ metadata, status }) => [
      metadata?.name,
      status?.conditions?.map(({ type, status, reason }) => `${type} ${status} ${reason}`).join(),
    ]);

  test("stands on each object, good or bad, and follows it", async () => {
    const client = cluster(1);
    const bad = poolObject("b", ["10.0.0.9/32"]);
    client.seed(IP_ADDRESS_POOLS, { ...bad, metadata: { ...bad.metadata, generation: 7 } });
    client.seed(L2_ADVERTISEMENTS, {
      metadata: { name: "l2", namespace: "metallb-system" },
      spec: { interfaces: [""] },
    });
    start(client);
    await until(() =>
      expect(conditionsOf(client)).toEqual([
        ["a", "Valid True Reconciled"],
        ["b", "Valid False ConfigurationError"],
        ["l2", "Valid False ConfigurationError"],
      ]),
    );
    expect(client.objects(IP_ADDRESS_POOLS)[1]?.status?.conditions?.[0]).toMatchObject({
      message: expect.stringContaining("IPAddressPool metallb-system/b: spec.addresses[0]"),
      observedGeneration: 7,
    });
    const name = { namespace: "metallb-system", name: "b" };
    await client.patch(IP_ADDRESS_POOLS, name, { kind: "merge", body: { spec: { addresses: ["10.0.1.0/24"] } } });
    await until(() => expect(conditionsOf(client)[1]).toEqual(["b", "Valid True Reconciled"]));
  });

  test("stands beside what nodes say of their sessions, for as long as the nodes are there", async () => {
    const client = cluster(1);
    const stood = { reason: "Established", message: "", lastTransitionTime: "2026-01-01T00:00:00Z" };
    const said = (type: string) => ({ type, status: "True" as const, ...stood });
    client.seed(NODES, { metadata: { name: "a" } }, { metadata: { name: "b" } });
    client.seed(BGP_PEERS, {
      metadata: { name: "tor", namespace: "metallb-system" },
      spec: { myASN: 64512, peerASN: 64513, peerAddress: "192.0.2.1" },
      status: { conditions: ["session.ironbridge.io/a", "session.ironbridge.io/b", "Other"].map(said) },
    });
    start(client);
    const types = () => client.objects(BGP_PEERS)[0]?.status?.conditions?.map(({ type }) => type);
    const others = ["session.ironbridge.io/b", "Other", "Valid"];
    await until(() => expect(types()).toEqual(["session.ironbridge.io/a", ...others]));
    await client.delete(NODES, { name: "a" });
    await until(() => expect(types()).toEqual(others));
  });

  test("stands in the ConfigurationState, which comes back when somebody deletes it", async () => {
    const client = cluster(1);
    client.seed(IP_ADDRESS_POOLS, poolObject("b", ["10.0.0.9/32"]));
    start(client);
    const state = () => client.objects(CONFIGURATION_STATES)[0];
    await until(() => expect(state()?.status?.result).toBe("Invalid"));
    expect(state()?.status?.errorSummary).toContain("IPAddressPool metallb-system/b");
    await client.delete(CONFIGURATION_STATES, { namespace: "ib", name: "controller" });
    await until(() => expect(state()?.status?.result).toBe("Invalid"));
    await client.delete(IP_ADDRESS_POOLS, { namespace: "metallb-system", name: "b" });
    await until(() => expect(state()?.status).toMatchObject({ result: "Valid", errorSummary: "" }));
    expect(state()?.metadata?.labels).toEqual({ "metallb.io/component-type": "controller" });
  });

  test("tells how full a pool is as it passes a threshold", async () => {
    const client = fakeKubeClient();
    client.seed(IP_ADDRESS_POOLS, poolObject("a", ["10.0.0.0/30"]));
    client.seed(SERVICES, ...names(3).map((name) => service(name)));
    const { reporter } = start(client, { usageThresholds: [75, 100] });
    const told = () => reporter.notes.filter(({ key }) => key === "metallb-system/a").map(({ message }) => message);
    await until(() => expect(told()).toEqual([expect.stringContaining("75 % reached: 3 of 4 IPv4 addresses")]));
    client.seed(SERVICES, service("last"));
    await until(() => expect(told()[1]).toContain("100 % reached: 4 of 4"));
    for (const name of ["last", "s0", "s1"]) await client.delete(SERVICES, { namespace: "default", name });
    await until(() => expect(told()[2]).toBe("below 100 %: 1 of 4 IPv4 addresses are in use"));
  });
});
