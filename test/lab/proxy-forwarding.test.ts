import { describe, expect, test } from "vitest";
import { parsePrefix } from "../../net/mod.ts";
import type { ProxyOptions } from "../../proxy/mod.ts";
import { ADDRESSES, HOMES, type Home, type HostName, podSlice, webService } from "./support/proxy-lab.ts";
import { FAMILIES, useProxy, useStage, VIP } from "./support/proxy-stage.ts";

/** The flow tables of kube-proxy's own unit tests, as packets. */
const stage = useStage();

/** Three Services alike but for their policies; their endpoints are pod2 here and pod3 on another node. */
const POLICIES = {
  default: {},
  "external Local": { externalTrafficPolicy: "Local" },
  "internal Local": { internalTrafficPolicy: "Local" },
} as const;
type PolicyName = keyof typeof POLICIES;
const POLICY_NAMES = Object.keys(POLICIES) as PolicyName[];

/** "both": any endpoint, "local": that of this node; "masq": endpoints see the node instead of the source. */
type Flow = "both" | "both masq" | "local" | "local masq";
const WAYS = ["cluster IP", "node port", "load balancer"] as const;
type Way = (typeof WAYS)[number];
type Flows = Readonly<Record<string, readonly [Flow, Flow, Flow]>>;

/** In the order of POLICIES. */
const BASE: Flows = {
  "pod1 to cluster IP": ["both", "both", "local"],
  "pod1 to node port": ["both masq", "both", "both masq"],
  "pod1 to load balancer": ["both masq", "both", "both masq"],
  "node to cluster IP": ["both masq", "both masq", "local masq"],
  "node to node port": ["both masq", "both masq", "both masq"],
  "node to load balancer": ["both masq", "both masq", "both masq"],
  "client to cluster IP": ["both masq", "both masq", "local masq"],
  "client to node port": ["both masq", "local", "both masq"],
  "client to load balancer": ["both masq", "local", "both masq"],
};
/** Nobody can tell who is a pod: nothing is masqueraded on its way to a cluster IP, and pods are as anybody outside. */
const UNTOLD: Flows = {
  ...BASE,
  "pod1 to node port": ["both masq", "local", "both masq"],
  "pod1 to load balancer": ["both masq", "local", "both masq"],
  "client to cluster IP": ["both", "both", "local"],
};
/** A pod's address on the node's own packets says nothing about them, so they are left out. */
const { "node to cluster IP": _, ...UNTOLD_BUT_NODE } = UNTOLD;
const ALL_MASQUERADED = {
  "pod1 to cluster IP": ["both masq", "both masq", "local masq"],
  "node to cluster IP": ["both masq", "both masq", "local masq"],
  "client to cluster IP": ["both masq", "both masq", "local masq"],
} as const;

const RUNS: Readonly<Record<string, { readonly choices: Partial<ProxyOptions>; readonly flows: Flows }>> = {
  "as it comes": { choices: {}, flows: BASE },
  "nobody can tell who is a pod": { choices: { clusterCidrs: [] }, flows: UNTOLD_BUT_NODE },
  masqueradeAll: { choices: { masqueradeAll: true }, flows: { ...BASE, ...ALL_MASQUERADED } },
  "masqueradeAll, and nobody can tell who is a pod": {
    choices: { masqueradeAll: true, clusterCidrs: [] },
    flows: { ...UNTOLD, ...ALL_MASQUERADED },
  },
};

const placeOf = (policy: PolicyName, way: Way) => {
  const n = 11 + POLICY_NAMES.indexOf(policy);
  if (way === "cluster IP") return { where: { ipv4: `10.96.0.${n}`, ipv6: `fd00:96::${n}` }, port: 80 };
  if (way === "node port") return { where: ADDRESSES.node, port: 30_000 + n };
  return { where: { ipv4: `192.168.1.1${n}`, ipv6: `fd00:1::1${n}` }, port: 80 };
};

function putPolicies(): Promise<void> {
  for (const policy of POLICY_NAMES) {
    const [clusterIps, { port: nodePort }, { where: vips }] = [
      Object.values(placeOf(policy, "cluster IP").where),
      placeOf(policy, "node port"),
      placeOf(policy, "load balancer"),
    ];
    const name = policy.replace(" ", "-").toLowerCase();
    const { metadata, spec } = webService({
      clusterIP: clusterIps[0]!,
      clusterIPs: clusterIps,
      ports: [{ name: "http", port: 80, nodePort }],
      ...POLICIES[policy],
    });
    const ingress = Object.values(vips).map((ip) => ({ ip }));
    stage.lab.stores.services.set({
      metadata: { ...metadata, name },
      ...(spec && { spec }),
      status: { loadBalancer: { ingress } },
    });
    for (const family of FAMILIES) {
      const slice = podSlice(family, { pod2: {}, pod3: { node: "node2" } });
      const labels = { "kubernetes.io/service-name": name };
      stage.lab.stores.slices.set({ ...slice, metadata: { ...slice.metadata, name: `${name}-${family}`, labels } });
    }
  }
  return stage.running.settled();
}

async function follow(from: HostName, policy: PolicyName, way: Way, flow: Flow): Promise<void> {
  const { where, port } = placeOf(policy, way);
  const pods = flow.startsWith("both") ? ["pod2", "pod3"] : ["pod2"];
  await stage.meets(from, where, pods, { port, as: flow.endsWith("masq") ? "gateway" : from });
}

describe.each(HOMES)("%s", (home) => {
  test.each(Object.entries(RUNS))("internal and external traffic, masqueraded where it must be: %s", async (_, run) => {
    await stage.start(home, run.choices);
    await putPolicies();
    for (const [way, flows] of Object.entries(run.flows)) {
      const [from, to] = way.split(" to ") as [HostName, Way];
      await Promise.all(flows.map((flow, i) => follow(from, POLICY_NAMES[i]!, to, flow)));
    }
    await stage.clear();
  });
});

describe.each(HOMES)("%s", (home) => {
  useProxy(stage, home);

  test("source ranges hold for every address of a load balancer, and for the node that has one of them", async () => {
    const second = { ipv4: "192.168.1.101", ipv6: "fd00:1::101" };
    const ingress = [...Object.values(VIP), ...Object.values(second)].map((ip) => ({ ip }));
    const given = (...ranges: readonly string[]) =>
      stage.given(
        { ...webService({ loadBalancerSourceRanges: [...ranges] }), status: { loadBalancer: { ingress } } },
        { pod2: {} },
      );
    const vips = [VIP, second];
    const [client, node] = (["client", "node"] as const).map((host) => [
      `${ADDRESSES[host].ipv4}/32`,
      ` ${ADDRESSES[host].ipv6}/128`,
    ]);
    await given(...client!);
    for (const vip of vips) {
      await stage.meets("client", vip, ["pod2"], { port: 80, as: "gateway" });
      await stage.isSilent("pod1", vip, { port: 80 });
    }
    // A node that has the address sends from it.
    const onNode = (verb: string) =>
      Promise.all(
        vips
          .flatMap((vip) => Object.values(vip))
          .map((ip) => stage.lab.on("node", "ip", "addr", verb, ip, "dev", "lo")),
      );
    await onNode("add");
    try {
      for (const vip of vips) await stage.isSilent("node", vip, { port: 80 });
      await given(...node!);
      for (const vip of vips) await stage.meets("node", vip, ["pod2"], { port: 80 });
      for (const vip of vips) await stage.isSilent("client", vip, { port: 80 });
    } finally {
      await onNode("del");
    }
    // Ranges of one family say nothing about the other.
    await given("203.0.113.0/24");
    await stage.isSilent("client", "load balancer", { families: ["ipv4"] });
    await stage.meets("client", "load balancer", ["pod2"], { families: ["ipv6"] });
  });

  test("refuses ports that no Service has on addresses that Services have", async () => {
    await stage.given(webService(), { pod2: {} });
    await stage.isRefused("pod1", "cluster IP", { port: 81 });
    await stage.isRefused("client", "load balancer", { port: 81 });
    await stage.isRefused("node", "load balancer", { port: 81 });
  });

  test("keeps a connection whose endpoint is no longer for new ones", async () => {
    const { client } = stage.lab.hosts;
    await stage.given(webService(), { pod2: {} });
    for (const family of FAMILIES) {
      await stage.endpoints({ pod2: {} });
      expect(await client.order({ kind: "open", host: VIP[family], port: 80 })).toMatch(/^pod2 /);
      await stage.endpoints({ pod3: {} });
      expect(await client.order({ kind: "again" })).toMatch(/^pod2 /);
      await stage.meets("client", "load balancer", ["pod3"]);
    }
  });

  test("serves many Services at once", async () => {
    const ipOf = (i: number) => `10.96.${i >> 7}.${(i & 127) + 20}`;
    const pods = ["pod1", "pod2", "pod3"] as const;
    for (let i = 0; i < 300; i++) {
      const [name, ip] = [`web-${i}`, ipOf(i)];
      const { metadata, spec } = webService({ clusterIP: ip, clusterIPs: [ip], type: "ClusterIP" });
      const ports = [{ name: "http", port: 80, protocol: "TCP" }];
      stage.lab.stores.services.set({ metadata: { ...metadata, name }, spec: { ...spec, ports }, status: {} });
      const slice = podSlice("ipv4", { [pods[i % 3]!]: {} });
      const labels = { "kubernetes.io/service-name": name };
      stage.lab.stores.slices.set({ ...slice, metadata: { ...slice.metadata, name, labels } });
    }
    await stage.running.settled();
    for (const i of [0, 1, 2, 127, 128, 299]) {
      const where = { ipv4: ipOf(i), ipv6: "" };
      await stage.meets("node", where, [pods[i % 3]!], { port: 80, families: ["ipv4"], as: "gateway" });
    }
  });
});

interface NodePortCase {
  readonly name: string;
  readonly addresses: readonly string[] | undefined;
  /** Where node ports are open, of the places below; all others refuse. */
  readonly open: readonly (keyof typeof NODE_PLACES)[];
}

const NODE_PLACES = {
  "node IPv4": ADDRESSES.node.ipv4,
  "node IPv6": ADDRESSES.node.ipv6,
  "second IPv4": "192.0.2.1",
  localhost: "127.0.0.1",
  "localhost IPv6": "::1",
};

/** kube-proxy's table of --nodeport-addresses. */
const NODE_PORT_CASES: readonly NodePortCase[] = [
  { name: "absent: those that Node.status names", addresses: undefined, open: ["node IPv4", "node IPv6"] },
  { name: "one IPv4 prefix", addresses: ["192.168.1.0/24"], open: ["node IPv4", "node IPv6"] },
  {
    name: "two IPv4 prefixes",
    addresses: ["192.168.1.0/24", "192.0.2.0/24"],
    open: ["node IPv4", "node IPv6", "second IPv4"],
  },
  {
    name: "localhost among them",
    addresses: ["192.168.1.0/24", "127.0.0.1/32"],
    open: ["node IPv4", "node IPv6", "localhost"],
  },
  {
    name: "an IPv6 prefix: IPv4 is open everywhere",
    addresses: ["fd00:1::/64"],
    open: ["node IPv4", "node IPv6", "second IPv4"],
  },
  { name: "both families, none of this node's", addresses: ["198.51.100.0/24", "2001:db8::/32"], open: [] },
];

async function isOpen(home: Home, { addresses, open }: NodePortCase): Promise<void> {
  await stage.start(home, addresses && { nodePortAddresses: addresses.map(parsePrefix) });
  await stage.given(webService(), { pod2: {} });
  const seen = await Promise.all(
    Object.entries(NODE_PLACES).map(async ([name, ip]) => {
      const answer = await stage.lab.hosts.node.ask(ip, 30080);
      return [name, answer.startsWith("pod2") ? "open" : answer];
    }),
  );
  const want = Object.keys(NODE_PLACES).map((name) => [name, open.some((each) => each === name) ? "open" : "refused"]);
  expect(seen).toEqual(want);
  await stage.clear();
}

describe.each(HOMES)("%s, node port addresses", (home) => {
  test.each(NODE_PORT_CASES)("$name", async (each) => {
    await stage.lab.on("node", "ip", "addr", "add", NODE_PLACES["second IPv4"], "dev", "lo");
    try {
      await isOpen(home, each);
    } finally {
      await stage.lab.on("node", "ip", "addr", "del", NODE_PLACES["second IPv4"], "dev", "lo");
    }
  });
});
