import { afterEach, beforeEach, expect, test } from "vitest";
import { CONFIGURATION_STATES } from "../../../../config/mod.ts";
import { type Runner, silentLog, systemClock } from "../../../../core/mod.ts";
import { fakeKubeClient, startInformer, type V1Node } from "../../../../kube/mod.ts";
import { startConfigurationStateWriter } from "../../../../speaker/bgp/configuration-state-writer.ts";
import { waitFor } from "../../../support/wait.ts";

const NAMESPACE = "metallb-system";
const KEY = { namespace: NAMESPACE, name: "speaker-node1" };
const log = silentLog();
let stop: AbortController;
let client: ReturnType<typeof fakeKubeClient>;
let found: readonly string[] | undefined;
let writer: Runner;
const NODE: V1Node = { metadata: { name: "node1", uid: "4f1c" } };
let own: V1Node | undefined;
/** How often the writer asked for its Node. */
let asked: number;

beforeEach(() => {
  stop = new AbortController();
  client = fakeKubeClient();
  found = undefined;
  [own, asked] = [NODE, 0];
  const states = startInformer(client, CONFIGURATION_STATES, { log }, stop.signal);
  const options = {
    client,
    namespace: NAMESPACE,
    node: "node1",
    ownNode: () => {
      asked++;
      return own;
    },
    states,
    problems: () => found,
    clock: systemClock,
    log,
  };
  writer = startConfigurationStateWriter(options, stop.signal);
});
afterEach(() => stop.abort());

/** The object once it says `result`. */
const says = (result: string) =>
  waitFor(
    `a state that says ${result}`,
    async () => {
      const [state] = (await client.list(CONFIGURATION_STATES, { namespace: NAMESPACE })).items;
      return state?.status?.result === result && state;
    },
    { deadline: 5000 },
  );

function find(problems: readonly string[]): void {
  found = problems;
  writer.poke();
}

test("startConfigurationStateWriter() says what is wrong, and that nothing is, under MetalLB's names", async () => {
  find(["BGPPeer metallb-system/tor: the Secret is not there"]);
  const invalid = await says("Invalid");
  expect(invalid.metadata).toMatchObject({
    ...KEY,
    labels: { "metallb.io/component-type": "speaker", "metallb.io/node-name": "node1" },
  });
  expect(invalid.status).toMatchObject({
    errorSummary: "BGPPeer metallb-system/tor: the Secret is not there",
    conditions: [{ type: "configReconcilerValid", status: "False", reason: "ConfigurationError" }],
  });
  find([]);
  const valid = await says("Valid");
  expect(valid.status?.conditions).toMatchObject([{ status: "True", reason: "Reconciled", message: "" }]);
});

test("startConfigurationStateWriter() makes an object that goes with its Node, and none without", async () => {
  own = undefined;
  for (const times of [1, 2]) {
    find([]);
    await waitFor("a round", async () => asked >= times, { deadline: 5000 });
  }
  expect((await client.list(CONFIGURATION_STATES, { namespace: NAMESPACE })).items).toEqual([]);
  own = NODE;
  find([]);
  const { metadata } = await says("Valid");
  expect(metadata).toMatchObject({ ownerReferences: [{ apiVersion: "v1", kind: "Node", name: "node1", uid: "4f1c" }] });
});

test("startConfigurationStateWriter() makes the object anew when somebody deletes it", async () => {
  find([]);
  const before = await says("Valid");
  await client.delete(CONFIGURATION_STATES, KEY);
  const after = await says("Valid");
  expect(after.metadata?.uid).not.toBe(before.metadata?.uid);
});
