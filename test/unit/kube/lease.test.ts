import { afterEach, describe, expect, test, vi } from "vitest";
import { silentLog } from "../../../core/mod.ts";
import {
  type FakeKubeClient,
  fakeKubeClient,
  fencedClient,
  type KubeClient,
  LEASES,
  SERVICES,
  startElection,
} from "../../../kube/mod.ts";

const DURATION = 400;
const NAME = { namespace: "ib", name: "controller" };
const stops: AbortController[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop.abort();
});

function candidate(client: KubeClient, identity: string) {
  const stop = new AbortController();
  stops.push(stop);
  const election = startElection(client, { lease: NAME, identity, duration: DURATION, log: silentLog() }, stop.signal);
  return { ...election, stop };
}

const until = (check: () => void, timeout = 3000) => vi.waitFor(check, { timeout, interval: 5 });
const holderOf = (client: FakeKubeClient) => client.objects(LEASES)[0]?.spec?.holderIdentity;

/** The API server as one candidate sees it, which can be cut off from it. */
function cuttable(client: KubeClient): { client: KubeClient; cut: () => void } {
  let cut = false;
  const never = new Promise<never>(() => {});
  const through = <T>(call: () => Promise<T>): Promise<T> => (cut ? never : call());
  return {
    client: {
      ...client,
      get: (resource, name) => through(() => client.get(resource, name)),
      create: (resource, object) => through(() => client.create(resource, object)),
      update: (resource, object, part) => through(() => client.update(resource, object, part)),
    },
    cut: () => {
      cut = true;
    },
  };
}

describe("startElection()", () => {
  test("lets one of many candidates lead", async () => {
    const client = fakeKubeClient();
    const all = ["a", "b", "c"].map((identity) => candidate(client, identity));
    await until(() => expect(all.filter(({ leading }) => leading())).toHaveLength(1));
    expect(all.find(({ leading }) => leading())?.holder()).toBe(holderOf(client));
  });

  test("gives the lease back at the end, and another leads at once", async () => {
    const client = fakeKubeClient();
    const first = candidate(client, "a");
    await until(() => expect(first.leading()).toBe(true));
    const second = candidate(client, "b");
    await until(() => expect(second.holder()).toBe("a"));
    first.stop.abort();
    await first.done;
    expect(first.leading()).toBe(false);
    const begun = performance.now();
    await until(() => expect(second.leading()).toBe(true));
    expect(performance.now() - begun).toBeLessThan(DURATION);
  });

  test("takes over from a leader cut off from the API server, which has stopped by then", async () => {
    const client = fakeKubeClient();
    const link = cuttable(client);
    const first = candidate(link.client, "a");
    await until(() => expect(first.leading()).toBe(true));
    const told = vi.fn();
    first.subscribe(told);
    const second = candidate(client, "b");
    const both = vi.fn();
    second.subscribe(() => both(first.leading()));
    link.cut();
    const begun = performance.now();
    await until(() => expect(second.leading()).toBe(true));
    expect(performance.now() - begun).toBeLessThan(DURATION * 2);
    expect(both).toHaveBeenCalledWith(false);
    expect(told).toHaveBeenCalledTimes(1);
    expect(client.objects(LEASES)[0]?.spec).toMatchObject({ holderIdentity: "b", leaseTransitions: 1 });
  });

  test.each([409, 429, 500, "unreachable"] as const)("survives %s from the API server", async (how) => {
    const client = fakeKubeClient();
    client.fail("get", how, 2);
    client.fail("create", how, 1);
    const only = candidate(client, "a");
    await until(() => expect(only.leading()).toBe(true));
    client.fail("update", how, 1);
    await new Promise((resolve) => setTimeout(resolve, DURATION));
    expect(only.leading()).toBe(true);
  });

  test("leads again after the Lease was deleted", async () => {
    const client = fakeKubeClient();
    const only = candidate(client, "a");
    await until(() => expect(only.leading()).toBe(true));
    await client.delete(LEASES, NAME);
    await until(() => expect(holderOf(client)).toBe("a"));
    expect(only.leading()).toBe(true);
  });
});

describe("fencedClient()", () => {
  test("writes while it leads and throws when it does not", async () => {
    const client = fakeKubeClient();
    let leading = true;
    const fenced = fencedClient(client, () => leading);
    await fenced.create(SERVICES, { metadata: { name: "a", namespace: "d" } });
    leading = false;
    const refused = { code: "IB_NOT_LEADER" };
    await expect(fenced.create(SERVICES, { metadata: { name: "b", namespace: "d" } })).rejects.toMatchObject(refused);
    await expect(fenced.delete(SERVICES, { name: "a", namespace: "d" })).rejects.toMatchObject(refused);
    expect(await fenced.get(SERVICES, { name: "a", namespace: "d" })).toBeDefined();
  });
});
