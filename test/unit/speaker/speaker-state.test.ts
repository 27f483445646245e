import { describe, expect, test } from "vitest";
import { createMetrics, fakeClock } from "../../../core/mod.ts";
import { fakeReporter, fakeStore, type V1Node, type V1Service } from "../../../kube/mod.ts";
import { candidaciesOf } from "../../../speaker/announce.ts";
import { announcementReporter } from "../../../speaker/announcement-reporter.ts";
import type { Stance } from "../../../speaker/claim.ts";
import { FITNESS } from "../../../speaker/claim.ts";
import type { Status } from "../../../speaker/l2/message.ts";
import type { ServiceFacts } from "../../../speaker/mod.ts";
import { peersOf } from "../../../speaker/peer-address.ts";
import { problemOf, stateOf } from "../../../speaker/speaker-state.ts";

const EXCLUDED = { "node.kubernetes.io/exclude-from-external-load-balancers": "" };
const node = (name: string, labels: Record<string, string> = {}, ...addresses: string[]): V1Node => ({
  metadata: { name, labels },
  status: { addresses: addresses.map((address) => ({ type: "InternalIP", address })) },
});
const everywhere = {
  name: "all",
  namespace: "metallb-system",
  pools: [],
  poolSelectors: [],
  nodeSelectors: [],
  serviceSelectors: [],
  interfaces: [],
  preferredNodeSelectors: [],
  election: "sticky" as const,
  drainOnCordon: false,
};
const facts = (...list: ServiceFacts[]) => new Map(list.map((each) => [each.service, each]));
const WEB: ServiceFacts = { service: "shop/web", addresses: ["192.0.2.1"], adverts: [everywhere] };
const API: ServiceFacts = { service: "shop/api", addresses: ["192.0.2.1"], adverts: [everywhere] };
const IDLE: ServiceFacts = { service: "shop/idle", addresses: ["192.0.2.2"], adverts: [], refused: "noEndpoint" };

const status = (stance?: Stance): Status => ({
  listening: false,
  addresses: {
    "192.0.2.1": {
      holder: "node1",
      ...(stance === undefined ? {} : { own: { stance, score: 0, interfaces: ["eth0"] } }),
    },
  },
  members: { node2: "alive" },
  keepers: {},
  interfaces: ["eth0"],
});

describe("problemOf()", () => {
  test("tells which members a node waits for, and nothing once it takes part", () => {
    const listening: Status = { ...status(), listening: true, members: { node2: "alive", node3: "lost" } };
    expect(problemOf(listening)).toBe("it has not heard yet who announces what; node2 is alive, node3 is lost");
    expect(problemOf({ ...listening, members: {} })).toMatch(/; no other member is known$/);
    expect(problemOf(status())).toBeUndefined();
  });
});

describe("stateOf()", () => {
  test("says who announces an address, for which Services, and why a node or a Service is left out", () => {
    const state = stateOf(facts(WEB, API, IDLE), [node("node1"), node("node2", EXCLUDED)], status("holds"));
    expect(state).toEqual({
      listening: false,
      members: { node2: "alive" },
      interfaces: ["eth0"],
      refused: { "shop/idle": "noEndpoint" },
      addresses: [
        {
          address: "192.0.2.1",
          services: ["shop/web", "shop/api"],
          holder: "node1",
          stance: "holds",
          nodes: {
            node1: { score: FITNESS.nodeReady, interfaces: "all", rule: "sticky" },
            node2: { refused: "excludedByLabel" },
          },
        },
        { address: "192.0.2.2", services: ["shop/idle"], nodes: {} },
      ],
    });
  });
});

describe("stateOf() where every node is excluded from load balancers", () => {
  test("says that they announce, as they do", () => {
    const state = stateOf(facts(WEB), [node("node1", EXCLUDED), node("node2", EXCLUDED)], status("holds"));
    const standing = { score: FITNESS.nodeReady, interfaces: "all", rule: "sticky" };
    expect(state.addresses[0]?.nodes).toEqual({ node1: standing, node2: standing });
  });
});

describe("candidaciesOf()", () => {
  test("leaves out refused Services, nodes that may not announce, and a node that does not exist", () => {
    expect([...candidaciesOf(facts(WEB, IDLE), node("node1")).keys()]).toEqual(["shop/web"]);
    expect(candidaciesOf(facts(WEB), node("node1", EXCLUDED)).size).toBe(0);
    expect(candidaciesOf(facts(WEB), undefined).size).toBe(0);
  });
});

describe("peersOf()", () => {
  test("gives an IPv6 address where there is no other, and leaves out a node that is out of service", () => {
    const off = {
      ...node("node3", {}, "192.0.2.13"),
      spec: { taints: [{ key: "node.kubernetes.io/out-of-service" }] },
    };
    const nodes = [node("node2", {}, "2001:db8::12"), off as V1Node];
    expect(peersOf(nodes, "node1")).toEqual([{ name: "node2", address: "2001:db8::12" }]);
  });

  test("gives the first IPv4 InternalIP of every other node", () => {
    const nodes = [
      node("node1", {}, "192.0.2.11"),
      node("node2", {}, "2001:db8::12", "192.0.2.12", "10.0.0.12"),
      node("node3"),
      node("node4", {}, "not an address"),
    ];
    expect(peersOf(nodes, "node1")).toEqual([{ name: "node2", address: "192.0.2.12" }]);
  });
});

describe("announcementReporter()", () => {
  const web: V1Service = { metadata: { name: "web", namespace: "shop" } };

  function started() {
    const metrics = createMetrics();
    const clock = fakeClock();
    const reporter = fakeReporter();
    const report = announcementReporter({ node: "node1", services: fakeStore([web]), reporter, metrics, clock });
    return { clock, metrics, reporter, report, candidacies: candidaciesOf(facts(WEB), node("node1")) };
  }

  test("tells once that this node announces a Service, and again when it does so anew", () => {
    const { reporter, report, candidacies } = started();
    report.announced(status("ready"), candidacies);
    expect(reporter.notes).toEqual([]);
    report.announced(status("holds"), candidacies);
    report.announced(status("holds"), candidacies);
    expect(reporter.notes).toEqual([
      {
        key: "shop/web",
        type: "Normal",
        reason: "nodeAssigned",
        message: 'announcing from node "node1" with protocol "layer2"',
      },
    ]);
    report.announced({ ...status("holds"), addresses: {} }, candidacies);
    report.announced(status("holds"), candidacies);
    expect(reporter.notes).toHaveLength(1);
    report.announced({ ...status("ready"), addresses: { "192.0.2.1": { holder: "node2" } } }, candidacies);
    report.announced(status("holds"), candidacies);
    expect(reporter.notes).toHaveLength(2);
  });

  test("tells of an announcement that fails, in MetalLB's words, once it has lasted", () => {
    const { clock, reporter, report } = started();
    const failures = [{ service: "shop/web", address: "192.0.2.1" }];
    expect(report.failed(failures)).toBe(2000);
    clock.advance(1999);
    report.failed([]);
    expect(report.failed(failures)).toBe(2000);
    clock.advance(2000);
    expect(report.failed(failures)).toBeUndefined();
    report.failed(failures);
    const message =
      'the interfaces specified by LB IP "192.0.2.1" doesn\'t exist in assigned node "node1" with protocol "layer2"';
    expect(reporter.notes).toEqual([{ key: "shop/web", type: "Warning", reason: "announceFailed", message }]);
  });

  test("tells of another host with the address", async () => {
    const { metrics, reporter, report, candidacies } = started();
    const foreigner = { address: "192.0.2.1", mac: "02:00:00:00:00:99", interface: "eth0" };
    report.happened({ kind: "foreigner", foreigner }, candidacies);
    expect(reporter.notes).toMatchObject([{ key: "shop/web", type: "Warning", reason: "duplicateAddress" }]);
    expect(reporter.notes[0]?.message).toContain("02:00:00:00:00:99");
    expect(await metrics.metrics()).toContain('ironbridge_l2_duplicate_addresses_total{ip="192.0.2.1"} 1');
  });

  test("counts take-overs and how long a loss took to be noticed", async () => {
    const { metrics, report, candidacies } = started();
    report.happened({ kind: "took", address: "192.0.2.1", reason: "holderLost" }, candidacies);
    report.happened({ kind: "memberLost", member: "node2", silence: 380 }, candidacies);
    const text = await metrics.metrics();
    expect(text).toContain('ironbridge_l2_takeovers_total{reason="holderLost"} 1');
    expect(text).toContain('ironbridge_l2_detection_seconds_bucket{le="0.4"} 1');
  });

  test("shows the gauge only while this node announces", async () => {
    const { metrics, report, candidacies } = started();
    const line = 'metallb_speaker_announced{service="shop/web",protocol="layer2",node="node1",ip="192.0.2.1"} 1';
    report.announced(status("holds"), candidacies);
    expect(await metrics.metrics()).toContain(line);
    report.announced(status("standsIn"), candidacies);
    expect(await metrics.metrics()).not.toContain("metallb_speaker_announced{");
  });

  test("adds up what was counted, and shows nothing that never happened", async () => {
    const { metrics, report } = started();
    const counts = new Map([["192.0.2.1", { requests: 2, responses: 1, gratuitous: 0 }]]);
    report.count(counts);
    report.count(counts);
    const text = await metrics.metrics();
    expect(text).toContain('metallb_layer2_requests_received{ip="192.0.2.1"} 4');
    expect(text).toContain('metallb_layer2_responses_sent{ip="192.0.2.1"} 2');
    expect(text).not.toContain("metallb_layer2_gratuitous_sent{");
  });
});
