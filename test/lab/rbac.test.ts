import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeMemberKey, memberKey } from "../../cli/member-key.ts";
import {
  BFD_PROFILES,
  BGP_ADVERTISEMENTS,
  BGP_PEERS,
  COMMUNITIES,
  CONFIGURATION_STATES,
  CONTROLLER_LEASE,
  IP_ADDRESS_POOLS,
  MEMBERS_SECRET,
  SERVICE_BGP_STATUSES,
  SERVICE_L2_STATUSES,
  WEBHOOK_NAME,
} from "../../config/mod.ts";
import { silentLog } from "../../core/mod.ts";
import {
  createKubeClient,
  createReporter,
  type KubeClient,
  type KubeObject,
  LEASES,
  NODES,
  type Resource,
  SECRETS,
  SERVICES,
} from "../../kube/mod.ts";
import type { Lab } from "../../lab/mod.ts";
import { installedObjects, type Rule } from "../../tools/manifests/mod.ts";
import { addressOf, startTestLab } from "../support/test-lab.ts";
import { waitFor } from "../support/wait.ts";

/** What the API server's authorizer looks at. */
interface Call {
  readonly verb: string;
  readonly group: string;
  /** With the subresource: "services/status". */
  readonly resource: string;
  readonly namespace: string;
  readonly name: string;
}
const NAMESPACE = "ironbridge-system";
const COMPONENTS = ["agent", "controller"] as const;
const VERBS: Readonly<Record<string, string>> = { POST: "create", PUT: "update", PATCH: "patch", DELETE: "delete" };

/** `/api/v1/namespaces/d/services/web/status` and its like. */
function callOf(method: string, path: string, watch: boolean): Call | undefined {
  const [root, ...rest] = path.split("/").slice(1);
  if (root !== "api" && root !== "apis") return undefined;
  const group = root === "apis" ? (rest.shift() ?? "") : "";
  rest.shift(); // the version
  const namespace = rest[0] === "namespaces" && rest.length > 2 ? rest.splice(0, 2)[1] : "";
  const [plural = "", name = "", subresource] = rest;
  const reading = watch ? "watch" : name === "" ? "list" : "get";
  const resource = subresource === undefined ? plural : `${plural}/${subresource}`;
  return { verb: VERBS[method] ?? reading, group, resource, namespace: namespace ?? "", name };
}

interface Grant extends Rule {
  /** "" for the whole cluster. */
  readonly namespace: string;
}

/** One object of each kind that users write; the controller says on each what it found. */
async function makeConfiguration(client: KubeClient): Promise<void> {
  const metadata = { name: "mine", namespace: NAMESPACE };
  await client.create(BGP_ADVERTISEMENTS, { metadata, spec: { ipAddressPools: ["none"] } });
  await client.create(BGP_ADVERTISEMENTS, { metadata: { ...metadata, name: "every" }, spec: {} });
  await client.create(BGP_PEERS, { metadata, spec: { myASN: 64512, peerASN: 64513, peerAddress: "192.0.2.1" } });
  await client.create(BFD_PROFILES, { metadata, spec: {} });
  await client.create(COMMUNITIES, { metadata, spec: { communities: [{ name: "a", value: "1:1" }] } });
}

/** A node as cloud providers make it: without a network until somebody says that it has one. */
async function makeUnavailable(client: KubeClient): Promise<void> {
  const [node] = (await client.list(NODES)).items;
  const value = { type: "NetworkUnavailable", status: "True", reason: "NoRouteCreated" };
  const patch = { kind: "json", body: [{ op: "add", path: "/status/conditions/-", value }] } as const;
  await client.patch(NODES, { name: node?.metadata?.name ?? "" }, patch, "status");
}

/** The webhook's objects as they are after a year: the certificate is to be renewed, and to be trusted. */
async function makeWebhook(client: KubeClient): Promise<void> {
  await client.patch(SECRETS, { name: WEBHOOK_NAME, namespace: NAMESPACE }, { kind: "merge", body: { data: null } });
  const webhook = { name: "configuration.ironbridge.io", sideEffects: "None", admissionReviewVersions: ["v1"] };
  const clientConfig = { service: { name: WEBHOOK_NAME, namespace: NAMESPACE } };
  await client.create(WEBHOOK_CONFIGURATIONS, {
    metadata: { name: WEBHOOK_NAME },
    webhooks: [{ ...webhook, clientConfig }],
  });
}

const WEBHOOK_CONFIGURATIONS: Resource<KubeObject & { readonly webhooks: readonly object[] }> = {
  group: "admissionregistration.k8s.io",
  version: "v1",
  kind: "ValidatingWebhookConfiguration",
  plural: "validatingwebhookconfigurations",
  namespaced: false,
};

/** The rules of a component's two roles. */
function grantsOf(component: string): readonly Grant[] {
  return installedObjects()
    .filter(({ kind, metadata }) => /^(Cluster)?Role$/.test(kind) && metadata.name === `ironbridge-${component}`)
    .flatMap(({ metadata, rules }) =>
      (rules as readonly Rule[]).map((rule) => ({ ...rule, namespace: metadata.namespace ?? "" })),
    );
}

/** Each thing a rule allows, one by one. */
function partsOf({ apiGroups, resources, verbs, namespace, resourceNames = [""] }: Grant): readonly Call[] {
  return apiGroups.flatMap((group) =>
    resources.flatMap((resource) =>
      verbs.flatMap((verb) => resourceNames.map((name) => ({ verb, group, resource, namespace, name }))),
    ),
  );
}

function allows(part: Call, call: Call): boolean {
  return (
    part.verb === call.verb &&
    part.group === call.group &&
    part.resource === call.resource &&
    (part.namespace === "" || part.namespace === call.namespace) &&
    (part.name === "" || part.name === call.name)
  );
}

const print = ({ verb, group, resource, namespace, name }: Call) =>
  [verb, [group, resource].filter(Boolean).join("/"), namespace, name].filter(Boolean).join(" ");

describe("what the programs ask of the API server", () => {
  let lab: Lab;
  const calls: Record<string, Map<string, Call>> = { agent: new Map(), controller: new Map() };

  beforeAll(async () => {
    lab = await startTestLab({ nodes: 2 });
    lab.api.faults.fail(({ method, path, query, userAgent }) => {
      const call = callOf(method, path, query.has("watch"));
      const program = COMPONENTS.find((each) => userAgent === `ironbridge-${each}`);
      if (call !== undefined && program !== undefined) calls[program]?.set(print(call), call);
      return false;
    }, 500);
    await makeWebhook(lab.client);
    await makeUnavailable(lab.client);
    // They started before anybody listened.
    for (const node of lab.nodes) node.killAgent("SIGKILL");
    lab.killController("SIGKILL");
    await lab.applySamples();
    await addressOf(lab, "default/web");
    // A lab that is stopped while it makes pods complains.
    const settled = () => lab.kubectl(["wait", "pods", "--all", "-A", "--for=condition=Ready", "--timeout=20s"]);
    await waitFor("running pods", settled, { deadline: 30_000 });
    await makeConfiguration(lab.client);
    // What was made before anybody listened is made anew.
    await lab.client.delete(LEASES, { name: CONTROLLER_LEASE, namespace: NAMESPACE });
    for (const name of ["controller", "speaker-node1"]) {
      await lab.client.delete(CONFIGURATION_STATES, { name, namespace: NAMESPACE });
    }
    await lab.client.delete(SECRETS, { name: MEMBERS_SECRET, namespace: NAMESPACE });
    const mistake = { metadata: { name: "wrong", namespace: "metallb-system" }, spec: { addresses: ["10.0.0.300"] } };
    await lab.client.create(IP_ADDRESS_POOLS, mistake).catch(() => {}); // the schema may refuse it
    // The lab gives its agents the key in a file.
    const clientOf = (program: string) => createKubeClient({ kubeconfig: lab.kubeconfig, userAgent: program });
    const { signal } = new AbortController();
    const log = silentLog();
    // Nothing happens twice in so short a time: what is reported again is counted up.
    const [service] = lab.cluster.services.list();
    for (const component of COMPONENTS) {
      const reporter = createReporter(clientOf(`ironbridge-${component}`), component, log);
      for (let times = 0; times < 2; times++) {
        reporter.event(SERVICES, service ?? {}, { type: "Normal", reason: "Tested", message: "twice" });
        await reporter.flush();
      }
    }
    await makeMemberKey(NAMESPACE, { client: clientOf("ironbridge-controller"), log }, signal);
    const source = { memberKeyFile: undefined, namespace: NAMESPACE, stateDir: lab.directory.path };
    await memberKey(source, { client: clientOf("ironbridge-agent"), log }, signal);
    // Speakers take away what they said of a Service that is gone.
    const told = async () => {
      const [l2, bgp] = [await lab.client.list(SERVICE_L2_STATUSES), await lab.client.list(SERVICE_BGP_STATUSES)];
      return l2.items.length > 0 && bgp.items.length > 0;
    };
    await waitFor("statuses of Services", told, { deadline: 20_000 });
    await lab.client.delete(SERVICES, { name: "web", namespace: "default" });
  });
  afterAll(() => lab?.stop());

  test.each(COMPONENTS)("every call of the %s is allowed, and everything allowed is used", async (component) => {
    const parts = grantsOf(component).flatMap(partsOf);
    const made = () => [...(calls[component]?.values() ?? [])];
    const unused = () => parts.filter((part) => !made().some((call) => allows(part, call))).map(print);
    const complete = () => unused().length === 0;
    await waitFor(`a use of ${unused().join(", ")}`, complete, { deadline: 15_000 }).catch(() => {});
    expect(unused()).toEqual([]);
    expect(
      made()
        .filter((call) => !parts.some((part) => allows(part, call)))
        .map(print),
    ).toEqual([]);
    expect(made().length).toBeGreaterThan(5);
  });
});
