import { afterEach, describe, expect, test, vi } from "vitest";
import { startNodeCidrs } from "../../../controller/node-cidrs.ts";
import { silentLog } from "../../../core/mod.ts";
import { type FakeKubeClient, fakeKubeClient, fakeReporter, fakeStore, NODES, type V1Node } from "../../../kube/mod.ts";
import { parsePrefix } from "../../../net/mod.ts";
import { type Running, type StartOptions, startOver } from "./start.ts";

const podCidrs = {
  clusterCidrs: ["10.244.0.0/22", "fd00:244::/48"].map(parsePrefix),
  lengths: { ipv4: 24, ipv6: 64 },
};
const stops: AbortController[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop.abort();
});

function start(client: FakeKubeClient, options: StartOptions = {}): Running {
  const running = startOver(client, { podCidrs, ...options });
  stops.push(running.stop);
  return running;
}

function node(name: string, ...podCIDRs: readonly string[]): V1Node {
  return { metadata: { name }, spec: podCIDRs.length === 0 ? {} : { podCIDR: podCIDRs[0]!, podCIDRs: [...podCIDRs] } };
}

function shown(client: FakeKubeClient): Record<string, string> {
  const entries = client.objects(NODES).map(({ metadata, spec }) => [metadata?.name, `${spec?.podCIDRs ?? ""}`]);
  return Object.fromEntries(entries);
}

const until = (check: () => Promise<void> | void) => vi.waitFor(check, { timeout: 8000, interval: 10 });
const patches = (client: FakeKubeClient) => client.calls.filter((call) => call.startsWith("patch nodes"));

describe("startNodeCidrs()", () => {
  test("gives prefixes to nodes that have none, one write each, and to those that come later", async () => {
    const client = fakeKubeClient();
    client.seed(NODES, node("a"), node("b", "10.244.0.0/24"), node("c"));
    start(client);
    await until(() =>
      expect(shown(client)).toEqual({
        a: "10.244.1.0/24,fd00:244::/64",
        b: "10.244.0.0/24",
        c: "10.244.2.0/24,fd00:244:0:1::/64",
      }),
    );
    await client.create(NODES, node("aa"));
    await until(() => expect(shown(client).aa).toBe("10.244.3.0/24,fd00:244:0:2::/64"));
    expect(client.objects(NODES).find(({ metadata }) => metadata?.name === "aa")?.spec?.podCIDR).toBe("10.244.3.0/24");
    expect(patches(client)).toEqual(["patch nodes a", "patch nodes c", "patch nodes aa"]);
  });

  test("writes nothing unless told to", async () => {
    const client = fakeKubeClient();
    client.seed(NODES, node("a"));
    const running = startOver(client);
    stops.push(running.stop);
    await until(() => expect(running.controller.ready()).toBe(true));
    expect(patches(client)).toEqual([]);
  });

  test("says on the node that all blocks are in use, and gives one that comes free", async () => {
    const client = fakeKubeClient();
    client.seed(NODES, ...[0, 1, 2, 3].map((i) => node(`n${i}`, `10.244.${i}.0/24`)), node("late"));
    const { reporter } = start(client);
    await until(() =>
      expect(reporter.notes).toMatchObject([{ key: "late", type: "Warning", reason: "CIDRNotAvailable" }]),
    );
    expect(reporter.notes[0]?.message).toContain("no free /24 is left in 10.244.0.0/22");
    await client.delete(NODES, { name: "n2" });
    await until(() => expect(shown(client).late).toBe("10.244.2.0/24,fd00:244::/64"));
  });

  test("keeps a block for the node whose write failed", async () => {
    const client = fakeKubeClient();
    client.seed(NODES, node("b"));
    client.fail("patch", 500, 1);
    start(client);
    await until(() => expect(patches(client)).toHaveLength(1));
    await client.create(NODES, node("a")); // it comes first in any order
    await until(() =>
      expect(shown(client)).toEqual({ a: "10.244.1.0/24,fd00:244:0:1::/64", b: "10.244.0.0/24,fd00:244::/64" }),
    );
  });

  test("a refusal for one node keeps no other waiting", async () => {
    const client = fakeKubeClient();
    client.seed(NODES, node("a"), node("b"));
    client.fail("patch", 422, 1);
    start(client);
    await until(() => expect(shown(client).b).toBe("10.244.1.0/24,fd00:244:0:1::/64"));
    expect(shown(client).a).toBe("");
    await until(() => expect(shown(client).a).toBe("10.244.0.0/24,fd00:244::/64"));
  });

  test("of two replicas only the leader gives, and the next one goes on where it ended", async () => {
    const client = fakeKubeClient();
    client.seed(NODES, node("a"));
    const first = start(client, { identity: "first" });
    await until(() => expect(shown(client).a).not.toBe(""));
    start(client, { identity: "second" });
    first.crash();
    await client.create(NODES, node("0"));
    await until(() => expect(shown(client)["0"]).toBe("10.244.1.0/24,fd00:244:0:1::/64"));
    expect(patches(client)).toEqual(["patch nodes a", "patch nodes 0"]);
  });

  test("gives nothing before it has seen what the leader before gave", async () => {
    const client = fakeKubeClient();
    client.seed(NODES, node("a", "10.244.0.0/24"), node("b"));
    const nodes = fakeStore([node("a"), node("b")]); // the watch is behind
    const stop = new AbortController();
    stops.push(stop);
    const leadership = { leading: () => true, subscribe: () => () => {}, holder: () => "me", done: Promise.resolve() };
    const rest = { reporter: fakeReporter(), log: silentLog(), settings: podCidrs };
    startNodeCidrs({ client, nodes, leadership, ...rest }, stop.signal);
    await until(() => expect(client.calls).toContain("list nodes"));
    for (const each of client.objects(NODES)) nodes.set(each);
    await until(() => expect(shown(client)).toEqual({ a: "10.244.0.0/24", b: "10.244.1.0/24,fd00:244::/64" }));
    expect(patches(client)).toEqual(["patch nodes b"]);
  });
});
