import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { L2Advertisement } from "../../config/mod.ts";
import type { V1Node } from "../../kube/mod.ts";
import { bestRanked } from "../../speaker/election.ts";
import { waitFor } from "../support/wait.ts";
import { ADDRESS, nodeObject, type SpeakerLab, startSpeakerLab, webService, webSlice } from "./support/speaker-lab.ts";

/** Rows are those of MetalLB's own tests of layer 2 (e2etest/l2tests), here with the speakers alone. */
const NAMES = ["node1", "node2", "node3"] as const;
type Name = (typeof NAMES)[number];
/** Who announces the address when nothing is said, and the two others. */
const [natural, second, third] = rankedNames();

let lab: SpeakerLab;

beforeAll(async () => {
  lab = await startSpeakerLab();
  await lab.holder(30_000);
});
afterAll(() => lab[Symbol.asyncDispose]());
beforeEach(async () => {
  await cluster({});
  await advertise({});
  await announcedBy(natural);
});

function rankedNames(): [Name, Name, Name] {
  const left = NAMES.map((node) => ({ node, score: 0 }));
  const next = () => left.splice(left.indexOf(bestRanked(left, ADDRESS)!), 1)[0]!.node;
  return [next(), next(), next()];
}

/** Labels, conditions by type, and keys of taints of nodes; the others have none. */
interface NodeFact {
  readonly labels?: Record<string, string>;
  readonly conditions?: Record<string, "True" | "False" | "Unknown">;
  readonly taints?: readonly string[];
}
type NodeFacts = Partial<Record<Name, NodeFact>>;

async function cluster(facts: NodeFacts): Promise<void> {
  const nodes = lab.topology.nodes.map((host): V1Node => {
    const { labels = {}, conditions: states = {}, taints = [] } = facts[host.name as Name] ?? {};
    const node = nodeObject(host, { taints: taints.map((key) => ({ key, effect: "NoExecute" })) });
    const conditions = Object.entries(states).map(([type, status]) => ({ type, status }));
    return { ...node, metadata: { name: host.name, labels }, status: { ...node.status, conditions } };
  });
  await Promise.all(lab.nodes.map((node) => node.order({ kind: "nodes", nodes })));
}

/** With MetalLB's rule of election, by which an address returns. */
async function advertise(...specs: L2Advertisement["spec"][]): Promise<void> {
  const annotations = { "ironbridge.io/election": "revertive" };
  const l2Advertisements = specs.map((spec, i) => ({
    metadata: { name: `a${i}`, namespace: "metallb-system", annotations },
    spec,
  }));
  await Promise.all(lab.nodes.map((node) => node.order({ kind: "l2Advertisements", l2Advertisements })));
}

const orderAll = (order: Parameters<SpeakerLab["nodes"][number]["order"]>[0]) =>
  Promise.all(lab.nodes.map((node) => node.order(order)));

async function announcers(): Promise<readonly string[]> {
  const answers = await orderAll({ kind: "tell" });
  return NAMES.filter((_, i) => answers[i]!.state.addresses[0]?.stance === "holds");
}

/** An address returns to the better ranked node after a while only (see HOLD_OFF), so it may take some seconds. */
async function announcedBy(...want: readonly Name[]): Promise<void> {
  let seen = "";
  const right = async () => {
    seen = (await announcers()).join();
    return seen === want.join();
  };
  await waitFor("the announcer", right, { deadline: 15_000, every: 100 }).catch(() => expect(seen).toBe(want.join()));
}

const label = (key: string, value = "yes") => ({ labels: { [key]: value } });
const on = (key: string, value = "yes") => ({ matchLabels: { [key]: value } });
const prefer = (weight: number, key: string) => ({ weight, preference: on(key) });

describe("a node that can't serve", () => {
  test("row 5: without a network it gives the address away, and gets it back", async () => {
    await cluster({ [natural]: { conditions: { NetworkUnavailable: "True" } } });
    await announcedBy(second);
    await cluster({});
    await announcedBy(natural);
  });

  test.each(["False", "Unknown"] as const)("not ready, %s, it gives the address to one that is", async (ready) => {
    await cluster({ [natural]: { conditions: { Ready: ready } } });
    await announcedBy(second);
    await cluster({ [natural]: { conditions: { Ready: "True" } } });
    await announcedBy(natural);
  });

  test("where no node is ready the address stays", async () => {
    const unready: NodeFact = { conditions: { Ready: "Unknown" } };
    await cluster({ [natural]: unready, [second]: unready, [third]: unready });
    await pause(500);
    await announcedBy(natural);
  });

  test("out of service it answers no more though it runs, and gets the address back", async () => {
    await cluster({ [natural]: { taints: ["node.kubernetes.io/out-of-service"] } });
    await announcedBy(second);
    await cluster({});
    await announcedBy(natural);
  });

  test("row 6: excluded from load balancers by its label, the same", async () => {
    await cluster({ [natural]: label("node.kubernetes.io/exclude-from-external-load-balancers", "") });
    await announcedBy(second);
    await cluster({});
    await announcedBy(natural);
  });
});

describe("node selectors of L2Advertisements", () => {
  test("row 23: the address follows the selected node", async () => {
    await cluster({ node1: label("n", "1"), node2: label("n", "2"), node3: label("n", "3") });
    for (const [i, name] of NAMES.entries()) {
      await advertise({ nodeSelectors: [on("n", `${i + 1}`)] });
      await announcedBy(name);
    }
  });

  test("row 24: with policy Local and one advertisement for another node, the node of the endpoint announces", async () => {
    await cluster({ [second]: label("a") });
    await orderAll({ kind: "services", services: [webService({ externalTrafficPolicy: "Local" })] });
    await orderAll({ kind: "slices", slices: [webSlice([third])] });
    await advertise({ nodeSelectors: [on("a")] }, {});
    await announcedBy(third);
    await orderAll({ kind: "slices", slices: [webSlice(NAMES)] });
    await orderAll({ kind: "services", services: [webService()] });
  });

  test("row 25: no node matches: nobody announces; a node is labelled: it does", async () => {
    await advertise({ nodeSelectors: [on("a")] });
    await announcedBy();
    await cluster({ [third]: label("a") });
    await announcedBy(third);
  });

  test("row 28: two advertisements for two nodes: exactly one of them announces", async () => {
    await cluster({ [second]: label("a"), [third]: label("b") });
    await advertise({ nodeSelectors: [on("a")] }, { nodeSelectors: [on("b")] });
    await announcedBy(second);
  });
});

describe("Service selectors of L2Advertisements", () => {
  const labelled = (labels: Record<string, string>) => {
    const service = webService();
    return orderAll({ kind: "services", services: [{ ...service, metadata: { ...service.metadata, labels } }] });
  };

  test("row 27, 30: only a Service that one of them matches is announced, and edits of its labels count", async () => {
    await advertise({ serviceSelectors: [on("app", "web"), on("app", "db")] });
    await announcedBy();
    for (const app of ["web", "db"]) {
      await labelled({ app });
      await announcedBy(natural);
    }
    await labelled({ app: "other" });
    await announcedBy();
    await labelled({});
  });

  test("row 29: no advertisement matches both the Service and a node: nobody announces", async () => {
    await cluster({ [natural]: label("a") });
    await labelled({ app: "web" });
    await advertise({ serviceSelectors: [on("app", "db")] }, { nodeSelectors: [on("b")] });
    await announcedBy();
    await labelled({});
  });
});

describe("preferred nodes of L2Advertisements", () => {
  test("row 31, 34: the preferred node announces, the preference may change, and without it the natural one does", async () => {
    await cluster({ [second]: label("a"), [third]: label("b") });
    await advertise({ preferredNodeSelectors: [prefer(50, "a")] });
    await announcedBy(second);
    await advertise({ preferredNodeSelectors: [prefer(50, "b")] });
    await announcedBy(third);
    await cluster({});
    await announcedBy(natural);
  });

  test("row 32: a preference for no node or for all moves nothing", async () => {
    await advertise({ preferredNodeSelectors: [prefer(100, "nowhere")] });
    await pause(500);
    await announcedBy(natural);
    await advertise({ preferredNodeSelectors: [{ weight: 100, preference: {} }] });
    await pause(500);
    await announcedBy(natural);
  });

  test("row 33: a preferred node that is excluded is replaced, and reclaims the address", async () => {
    await advertise({ preferredNodeSelectors: [prefer(50, "a")] });
    await cluster({ [third]: label("a") });
    await announcedBy(third);
    const excluded = { a: "yes", "node.kubernetes.io/exclude-from-external-load-balancers": "" };
    await cluster({ [third]: { labels: excluded } });
    await announcedBy(natural);
    await cluster({ [third]: label("a") });
    await announcedBy(third);
  });

  test("row 35, 36: a selector is a must: the preferred of those it selects, or else any of those", async () => {
    const [chosen, liked] = [{ labels: { in: "yes", a: "yes" } }, label("a")];
    await cluster({ [natural]: liked, [second]: label("in"), [third]: chosen });
    await advertise({ nodeSelectors: [on("in")], preferredNodeSelectors: [prefer(50, "a")] });
    await announcedBy(third);
    await cluster({ [natural]: liked, [second]: label("in") });
    await announcedBy(second);
  });

  test("row 37: weights of two advertisements add up", async () => {
    await cluster({ [second]: label("a"), [third]: { labels: { b: "yes", c: "yes" } } });
    await advertise(
      { preferredNodeSelectors: [prefer(60, "b"), prefer(60, "a")] },
      { preferredNodeSelectors: [prefer(50, "c")] },
    );
    await announcedBy(third);
    await cluster({ [second]: label("a"), [third]: label("c") });
    await announcedBy(second);
  });

  test("row 38: a preference counts for the Services of its advertisement only", async () => {
    await cluster({ [third]: label("a") });
    await advertise({}, { serviceSelectors: [on("app", "db")], preferredNodeSelectors: [prefer(50, "a")] });
    await pause(500);
    await announcedBy(natural);
  });
});
