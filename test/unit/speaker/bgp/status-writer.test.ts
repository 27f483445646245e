import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { BGP_PEERS, type BGPPeer, type Condition, SERVICE_BGP_STATUSES } from "../../../../config/mod.ts";
import { silentLog, systemClock } from "../../../../core/mod.ts";
import { type FakeStore, fakeKubeClient, fakeStore, type KubeClient, type V1Node } from "../../../../kube/mod.ts";
import { type NodeSession, startBgpStatusWriter } from "../../../../speaker/bgp/status-writer.ts";
import { waitFor } from "../../../support/wait.ts";

const NS = "metallb-system";
const NODE: V1Node = { metadata: { name: "node1", uid: "4f1c" } };
const TYPE = "session.ironbridge.io/node1";
const DEADLINE = { deadline: 5000 };

let stop: AbortController;
let client: ReturnType<typeof fakeKubeClient>;
let bgpPeers: FakeStore<BGPPeer>;
let sessions: readonly NodeSession[] | undefined;
let own: V1Node | undefined;
/** What was applied to BGPPeers: name and type of the condition, "none" for its end. */
let applied: string[];
let rounds: number;
let writer: { poke(): void };

function peerObject(name: string, ...conditions: readonly Condition[]): BGPPeer {
  return { metadata: { name, namespace: NS, generation: 1 }, status: { conditions: [...conditions] } } as BGPPeer;
}
const condition = (type: string): Condition => ({
  type,
  status: "True",
  reason: "Established",
  message: "",
  lastTransitionTime: "2026-01-01T00:00:00Z",
});
const waiting = (name: string): NodeSession => ({
  peer: { name, namespace: NS, waits: "the Secret is not there" },
  status: undefined,
  untold: [],
});

beforeEach(() => {
  stop = new AbortController();
  client = fakeKubeClient();
  bgpPeers = fakeStore<BGPPeer>([]);
  [sessions, own, applied, rounds] = [undefined, NODE, [], 0];
  const patch: KubeClient["patch"] = async (resource, name, patch, subresource) => {
    const { status } = patch.body as BGPPeer;
    applied.push(`${name.name} ${status?.conditions?.map(({ type }) => type).join() ?? "none"}`);
    const object = await client.patch(resource, name, patch, subresource);
    for (const each of client.objects(BGP_PEERS)) bgpPeers.set(each);
    return object;
  };
  const options = {
    client: { ...client, patch },
    namespace: NS,
    node: "node1",
    ownNode: () => own,
    bgpPeers,
    announced: () => new Map([["default/web", ["tor"]]]),
    sessions: () => {
      rounds++;
      return sessions;
    },
    clock: systemClock,
    log: silentLog(),
  };
  writer = startBgpStatusWriter(options, stop.signal);
});
afterEach(() => stop.abort());

function give(...objects: readonly BGPPeer[]): void {
  client.seed(BGP_PEERS, ...objects);
  for (const object of objects) bgpPeers.set(object);
}

async function round(): Promise<void> {
  const before = rounds;
  writer.poke();
  // The next one begins when this one has ended.
  await waitFor("a round", async () => rounds > before, DEADLINE);
  writer.poke();
  await waitFor("its end", async () => rounds > before + 1, DEADLINE);
}

describe("startBgpStatusWriter()", () => {
  test("leaves what an earlier run said until this one knows the cluster", async () => {
    give(peerObject("tor", condition(TYPE)));
    await round();
    expect(applied).toEqual([]);
    expect(client.objects(SERVICE_BGP_STATUSES)).toEqual([]);
  });

  test("says how each session stands, once, and takes away what an earlier run said of a peer it has no more", async () => {
    give(peerObject("old", condition(TYPE)), peerObject("tor"), peerObject("foreign", condition(`${TYPE}2`)));
    sessions = [waiting("tor")];
    await round();
    expect([...new Set(applied)].sort()).toEqual(["old none", `tor ${TYPE}`]);
    expect(applied.filter((each) => each.startsWith("tor"))).toHaveLength(1);
  });

  test("says it again when another writer took it away", async () => {
    give(peerObject("tor"));
    sessions = [waiting("tor")];
    await round();
    bgpPeers.set(peerObject("tor"));
    await round();
    expect(applied.slice(0, 2)).toEqual([`tor ${TYPE}`, `tor ${TYPE}`]);
  });

  test("makes ServiceBGPStatus objects that go with the Node, and none without it", async () => {
    sessions = [];
    own = undefined;
    await round();
    expect(client.objects(SERVICE_BGP_STATUSES)).toEqual([]);
    own = NODE;
    await round();
    const [object] = client.objects(SERVICE_BGP_STATUSES);
    expect(object?.metadata).toMatchObject({
      ownerReferences: [{ apiVersion: "v1", kind: "Node", name: "node1", uid: "4f1c" }],
    });
  });
});
