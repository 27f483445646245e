import { describe, expect, test } from "vitest";
import type { ServiceBGPStatus } from "../../../../config/mod.ts";
import { createMetrics, silentLog } from "../../../../core/mod.ts";
import type { ServiceRoutes } from "../../../../speaker/bgp/decide.ts";
import { noCounts, type PeerStatus } from "../../../../speaker/bgp/message.ts";
import { bgpMetrics } from "../../../../speaker/bgp/metrics.ts";
import type { NodePeer } from "../../../../speaker/bgp/peer-settings.ts";
import { bgpReporter } from "../../../../speaker/bgp/reporter.ts";
import { serviceStatusChange, statementOf } from "../../../../speaker/bgp/status-writer.ts";
import { speakerMetrics } from "../../../../speaker/metrics.ts";

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
    const many = statementOf(peer, status({ tooMany: 20_000 }), []);
    expect(many).toMatchObject({
      status: "True",
      reason: "RoutesTooMany",
      message: expect.stringMatching(/20000 are/),
    });
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

  test("tells of BFD: packets, echo packets, and sessions that were lost", async () => {
    const registry = createMetrics();
    const { sessions } = bgpMetrics(registry);
    const up = {
      state: "up",
      remoteState: "up",
      diagnostic: 0,
      transmitInterval: 300,
      detectionTime: 900,
      ups: 1,
      downs: 0,
      sent: 20,
      received: 19,
      echoes: 8,
    } as const;
    const told = async (name: string) =>
      new RegExp(`^metallb_bfd_${name}\\{peer="192.0.2.1:179"\\} (\\d+)$`, "m").exec(await registry.metrics())?.[1];
    sessions([status({ bfd: up })]);
    const names = ["session_up", "control_packet_input", "control_packet_output", "echo_packet_input"];
    names.push("echo_packet_output", "session_up_events", "session_down_events");
    expect(await Promise.all(names.map(told))).toEqual(["1", "19", "20", "8", "8", "1", "0"]);
    // The router has BFD no longer.
    sessions([status({ bfd: { ...up, state: "down", remoteState: "adminDown", downs: 1 } })]);
    expect([await told("session_up"), await told("session_down_events")]).toEqual(["0", "1"]);
  });
});

describe("bgpReporter()", () => {
  test("names a Service whose advertisements contradict each other, for as long as they do", () => {
    const { services, contradictions } = bgpReporter({ node: "a", log: silentLog(), metrics: createMetrics() });
    const look = (...found: readonly ServiceRoutes[]) => {
      const view = { services: new Map(found.map((each) => [each.service, each])) };
      services(["ns/a", "ns/b"], view, () => true);
      return contradictions();
    };
    expect(look({ service: "ns/a", refused: "noEndpoint" })).toEqual([]);
    expect(look({ service: "ns/b", refused: "conflictingLocalPref" })).toEqual([
      expect.stringMatching(/^Service ns\/b is not announced: .*localPref.*write the same/),
    ]);
    expect(look({ service: "ns/b", addresses: [], routes: [] })).toEqual([]);
  });

  const staleOf = async (registry: ReturnType<typeof createMetrics>) =>
    /^metallb_k8s_client_config_stale_bool (\d)$/m.exec(await registry.metrics())?.[1];

  test("says that the configuration is stale while BGP or ARP finds a mistake in it", async () => {
    const metrics = createMetrics();
    const { stale } = bgpReporter({ node: "a", log: silentLog(), metrics });
    const { configStale } = speakerMetrics(metrics);
    const seen: (string | undefined)[] = [];
    const tell = async (protocol: "bgp" | "layer2", problems: readonly string[]) => {
      if (protocol === "bgp") stale(problems);
      else configStale.note("layer2", problems);
      seen.push(await staleOf(metrics));
    };
    await tell("layer2", []);
    await tell("bgp", ["peer referencing non existing bfd profile"]);
    await tell("layer2", []);
    await tell("layer2", ["the pool has no prefixes"]);
    await tell("bgp", []);
    await tell("layer2", []);
    expect(seen).toEqual(["0", "1", "1", "1", "1", "0"]);
  });
});
