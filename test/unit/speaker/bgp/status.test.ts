import { describe, expect, test } from "vitest";
import type { ServiceBGPStatus } from "../../../../config/mod.ts";
import { createMetrics } from "../../../../core/mod.ts";
import { noCounts, type PeerStatus } from "../../../../speaker/bgp/message.ts";
import { bgpMetrics } from "../../../../speaker/bgp/metrics.ts";
import type { NodePeer } from "../../../../speaker/bgp/peer-settings.ts";
import { serviceStatusChange, statementOf } from "../../../../speaker/bgp/status-writer.ts";

function status(more: Partial<PeerStatus> = {}): PeerStatus {
  return {
    name: "tor",
    phase: "established",
    remote: "192.0.2.1:179",
    families: ["ipv4"],
    announced: 3,
    pending: 0,
    losses: 0,
    counts: { ...noCounts(), updatesSent: 5 },
    ...more,
  };
}

describe("serviceStatusChange()", () => {
  const object = (node: string, serviceName: string, peers: string[]): ServiceBGPStatus => ({
    metadata: { name: `bgp-${node}-${serviceName}` },
    status: { node, serviceName, serviceNamespace: "default", peers },
  });

  test("creates, changes and removes what is this node's, and nothing else", () => {
    const objects = [
      object("a", "same", ["x"]),
      object("a", "other", ["x"]),
      object("a", "gone", ["x"]),
      object("b", "gone", ["x"]),
    ];
    const announced = new Map([
      ["default/same", ["x"]],
      ["default/other", ["x", "y"]],
      ["default/new", ["x"]],
    ]);
    const change = serviceStatusChange(objects, announced, "a");
    expect(change.remove.map(({ metadata }) => metadata?.name)).toEqual(["bgp-a-gone"]);
    expect(change.update.map((each) => each.status?.peers)).toEqual([["x", "y"]]);
    expect(change.create.map((each) => each.status)).toEqual([
      { node: "a", serviceName: "new", serviceNamespace: "default", peers: ["x"] },
    ]);
  });
});

describe("statementOf()", () => {
  const peer = { name: "tor", namespace: "ns", settings: {} } as NodePeer;
  test("says how a session stands, and why", () => {
    expect(statementOf(peer, status(), [])).toMatchObject({ status: "True", reason: "Established" });
    const down = statementOf(peer, status({ phase: "idle", why: "the hold timer expired" }), []);
    expect(down).toMatchObject({ status: "False", message: "There is no session: the hold timer expired." });
    const waits = statementOf({ name: "tor", namespace: "ns", waits: "the Secret is not there" }, undefined, []);
    const long = statementOf(peer, status(), ["Service default/web: it is too long", "another", "a third"]);
    expect(long).toMatchObject({ status: "True", reason: "RoutesTooLong" });
    expect(long.message).toMatch(/ is up\. Service default\/web: it is too long\. And 2 more like it\.$/);
    expect(waits).toMatchObject({ reason: "Waiting", message: "The session waits: the Secret is not there." });
  });
});

describe("bgpMetrics()", () => {
  test("counts on over sessions that are made anew, and forgets peers that are gone", async () => {
    const registry = createMetrics();
    const { sessions } = bgpMetrics(registry);
    sessions([status()]);
    sessions([status({ counts: { ...noCounts(), updatesSent: 2 } })]);
    const text = await registry.metrics();
    expect(text).toContain('metallb_bgp_updates_total{peer="192.0.2.1:179"} 7');
    expect(text).toContain('metallb_bgp_session_up{peer="192.0.2.1:179"} 1');
    expect(text).not.toContain("metallb_bfd_session_up{");
    sessions([]);
    expect(await registry.metrics()).not.toContain("192.0.2.1");
  });
});
