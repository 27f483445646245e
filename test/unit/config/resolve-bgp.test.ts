import { describe, expect, test } from "vitest";
import { type ConfigObjects, resolveConfig } from "../../../config/mod.ts";
import { printAddress } from "../../../net/mod.ts";

/** An object as YAML would give it, mistakes included: the type is what the API server promises, not what it holds. */
function object(name: string, spec: unknown, created = "2026-01-02T00:00:00Z"): never {
  return { metadata: { name, namespace: "metallb-system", creationTimestamp: created }, spec } as never;
}

const OLD = "2026-01-01T00:00:00Z";
const four = object("four", { addresses: ["10.0.0.0/28"] }, OLD);
const run = object("run", { addresses: ["10.0.1.1-10.0.1.8"] }, OLD);
const six = object("six", { addresses: ["fc00::/120"] }, OLD);
const alias = object("aliases", { communities: [{ name: "vpn", value: "64512:7" }] }, OLD);
const PEER = { myASN: 64512, peerASN: 64513, peerAddress: "192.0.2.1" };
const peer = (spec: object, created?: string) => object("bad", { ...PEER, ...spec }, created);
const older = (spec: object) => object("older", { ...PEER, ...spec }, OLD);
const fast = object("fast", { receiveInterval: 50, detectMultiplier: 3 }, OLD);
const echo = object("echo", { echoMode: true }, OLD);

type Objects = Partial<ConfigObjects>;

function resolve(objects: Objects) {
  return resolveConfig({ pools: [], l2Advertisements: [], ...objects });
}

describe("resolveConfig() reads BGP objects", () => {
  test("a peer with its defaults", () => {
    const { bgpPeers, problems } = resolve({ bgpPeers: [object("a", PEER)] });
    expect(problems).toEqual([]);
    expect(bgpPeers).toMatchObject([
      { name: "a", myAsn: 64512, peerAsn: 64513, port: 179, vrf: "", gracefulRestart: false, multiHop: false },
    ]);
    expect(bgpPeers[0]).not.toHaveProperty("holdTimeSeconds");
    expect(bgpPeers[0]?.target).toMatchObject({ kind: "address" });
  });

  const timers: { name: string; spec: object; want: object }[] = [
    { name: "both times", spec: { holdTime: "90s", keepaliveTime: "10s" }, want: [90, 10] },
    { name: "a hold time alone", spec: { holdTime: "1m30s" }, want: [90, 30] },
    { name: "a keepalive time alone", spec: { keepaliveTime: "5s" }, want: [15, 5] },
    { name: "no keepalives at all", spec: { holdTime: "0s" }, want: [0, 0] },
  ];
  test.each(timers)("a peer with $name", ({ spec, want }) => {
    const [read] = resolve({ bgpPeers: [object("a", { ...PEER, ...spec })] }).bgpPeers;
    expect([read?.holdTimeSeconds, read?.keepaliveSeconds]).toEqual(want);
  });

  test("a peer that an interface leads to, of any external number, and port 0 of the older version", () => {
    const spec = { myASN: 1, dynamicASN: "external", interface: "eth1", peerPort: 0, peerAddress: "" };
    const [read] = resolve({ bgpPeers: [object("a", spec)] }).bgpPeers;
    expect(read).toMatchObject({ peerAsn: "external", target: { kind: "interface", name: "eth1" }, port: 179 });
  });

  test("a password in a Secret of the object's own namespace", () => {
    const [read] = resolve({ bgpPeers: [peer({ passwordSecret: { name: "s" } })] }).bgpPeers;
    expect(read?.passwordSecret).toEqual({ name: "s", namespace: "metallb-system" });
    expect(read).not.toHaveProperty("password");
  });

  test("an advertisement with communities of both sizes and by alias", () => {
    const spec = { communities: ["1:2", "large:1:2:3", "vpn"], localPref: 200, aggregationLength: 28 };
    const config = resolve({ pools: [four], communities: [alias], bgpAdvertisements: [object("a", spec)] });
    expect(config.problems).toEqual([]);
    expect(config.bgpAdvertisements).toMatchObject([
      {
        aggregationLength: { ipv4: 28, ipv6: 128 },
        localPref: 200,
        communities: [
          { kind: "legacy", parts: [1, 2] },
          { kind: "large", parts: [1, 2, 3] },
          { kind: "legacy", parts: [64512, 7] },
        ],
      },
    ]);
  });

  test("a BFD profile with its defaults", () => {
    expect(resolve({ bfdProfiles: [fast] }).bfdProfiles).toEqual([
      {
        name: "fast",
        namespace: "metallb-system",
        receiveInterval: 50,
        transmitInterval: 300,
        detectMultiplier: 3,
        echoInterval: 50,
        echoMode: false,
        passiveMode: false,
        minimumTtl: 254,
      },
    ]);
  });

  test("aggregation down to the pool's own prefix, and of a run of addresses to its shortest", () => {
    const adverts = [
      object("a", { aggregationLength: 28, ipAddressPools: ["four"] }),
      object("b", { aggregationLength: 30, ipAddressPools: ["run"] }),
    ];
    expect(resolve({ pools: [four, run], bgpAdvertisements: adverts }).problems).toEqual([]);
  });

  test("peers of one address on nodes that differ, each with a router ID of its own", () => {
    const onNode = (name: string) => ({ nodeSelectors: [{ matchLabels: { name } }] });
    const pair = [older({ ...onNode("a"), routerID: "1.1.1.1" }), peer({ ...onNode("b"), routerID: "2.2.2.2" })];
    expect(resolve({ bgpPeers: pair }).problems).toEqual([]);
    expect(resolve({ bgpPeers: pair, nodes: [{ name: "a" }, { name: "b" }] }).bgpPeers).toHaveLength(2);
    expect(resolve({ bgpPeers: pair.map((one) => one), nodes: [] }).problems).toEqual([]);
  });

  test("selectors that meet on a node only when it has both labels", () => {
    const pair = [
      older({ nodeSelectors: [{ matchLabels: { a: "1" } }] }),
      peer({ nodeSelectors: [{ matchLabels: { b: "1" } }] }),
    ];
    expect(resolve({ bgpPeers: pair, nodes: [{ a: "1" }, { b: "1" }] }).problems).toEqual([]);
    const [problem] = resolve({ bgpPeers: pair, nodes: [{ a: "1", b: "1" }] }).problems;
    expect(problem?.message).toContain("already exists");
  });
});

const onEvery = { nodeSelectors: [] };
const REFUSED: readonly ({ name: string } & Objects)[] = [
  { name: "no local ASN", bgpPeers: [peer({ myASN: 0 })] },
  { name: "neither peerASN nor dynamicASN", bgpPeers: [peer({ peerASN: undefined })] },
  { name: "both peerASN and dynamicASN", bgpPeers: [peer({ dynamicASN: "internal" })] },
  { name: "a dynamicASN not known", bgpPeers: [peer({ peerASN: 0, dynamicASN: "other" })] },
  { name: "an ASN too big", bgpPeers: [peer({ peerASN: 4294967296 })] },
  { name: "a localASN of zero", bgpPeers: [peer({ localASN: 0 })] },
  { name: "a peer address that is none", bgpPeers: [peer({ peerAddress: "1.1.1" })] },
  { name: "neither address nor interface", bgpPeers: [peer({ peerAddress: undefined })] },
  { name: "both address and interface", bgpPeers: [peer({ interface: "eth0" })] },
  { name: "a source address that is none", bgpPeers: [peer({ sourceAddress: "here" })] },
  { name: "a port out of bounds", bgpPeers: [peer({ peerPort: 16385 })] },
  { name: "a hold time of 1 s", bgpPeers: [peer({ holdTime: "1s" })] },
  { name: "a hold time of 2.9 s", bgpPeers: [peer({ holdTime: "2900ms" })] },
  { name: "a hold time that is no duration", bgpPeers: [peer({ holdTime: "90" })] },
  { name: "a keepalive time longer than the hold time", bgpPeers: [peer({ holdTime: "9s", keepaliveTime: "10s" })] },
  { name: "a connect time of less than a second", bgpPeers: [peer({ connectTime: "500ms" })] },
  { name: "a connect time of broken seconds", bgpPeers: [peer({ connectTime: "1500ms" })] },
  { name: "a router ID that is no address", bgpPeers: [peer({ routerID: "one" })] },
  { name: "password and passwordSecret", bgpPeers: [peer({ password: "x", passwordSecret: { name: "y" } })] },
  { name: "multi hop with an internal peer", bgpPeers: [peer({ peerASN: 64512, ebgpMultiHop: true })] },
  {
    name: "a node selector twice",
    bgpPeers: [peer({ nodeSelectors: [{ matchLabels: { a: "b" } }, { matchLabels: { a: "b" } }] })],
  },
  {
    name: "every mistake of a peer at once",
    bgpPeers: [peer({ myASN: 0, peerAddress: "x", holdTime: "1s", routerID: "y" })],
  },
  { name: "a BFD profile that is not there", bgpPeers: [peer({ bfdProfile: "none" })] },
  {
    name: "a BFD profile with echo mode for IPv6",
    bgpPeers: [peer({ bfdProfile: "echo" })],
    bfdProfiles: [echo],
    pools: [six],
    bgpAdvertisements: [object("all", {}, OLD)],
  },
  { name: "the younger of two peers with one address", bgpPeers: [older(onEvery), peer(onEvery)] },
  {
    name: "the younger of two peers on one interface",
    bgpPeers: [
      object("older", { ...PEER, peerAddress: "", interface: "eth0" }, OLD),
      peer({ peerAddress: "", interface: "eth0" }),
    ],
  },
  {
    name: "two router IDs on one node",
    bgpPeers: [older({ peerAddress: "192.0.2.2", routerID: "1.1.1.1" }), peer({ routerID: "2.2.2.2" })],
  },
  { name: "two local ASNs on one node", bgpPeers: [older({ peerAddress: "192.0.2.2" }), peer({ myASN: 64999 })] },
  { name: "aggregation longer than 32", bgpAdvertisements: [object("bad", { aggregationLength: 33 })] },
  { name: "aggregation of 0", bgpAdvertisements: [object("bad", { aggregationLength: 0 })] },
  { name: "aggregation longer than 128", bgpAdvertisements: [object("bad", { aggregationLengthV6: 129 })] },
  {
    name: "aggregation to a prefix shorter than the pool's",
    pools: [four],
    bgpAdvertisements: [object("bad", { aggregationLength: 26 })],
  },
  {
    name: "aggregation to a prefix shorter than those of a run",
    pools: [run],
    bgpAdvertisements: [object("bad", { aggregationLength: 29 })],
  },
  {
    name: "aggregation to a prefix shorter than the IPv6 pool's",
    pools: [six],
    bgpAdvertisements: [object("bad", { aggregationLengthV6: 64 })],
  },
  {
    name: "serviceSelectors with an aggregation",
    bgpAdvertisements: [object("bad", { aggregationLength: 24, serviceSelectors: [{}] })],
  },
  {
    name: "serviceSelectors with an IPv6 aggregation",
    bgpAdvertisements: [object("bad", { aggregationLengthV6: 64, serviceSelectors: [{}] })],
  },
  { name: "a negative localPref", bgpAdvertisements: [object("bad", { localPref: -1 })] },
  {
    name: "two localPrefs for the same routes",
    pools: [four],
    bgpAdvertisements: [object("older", { localPref: 100 }, OLD), object("bad", { localPref: 200 })],
  },
  { name: "a community with a section too big", bgpAdvertisements: [object("bad", { communities: ["99999999:1"] })] },
  {
    name: "a large community with another word",
    bgpAdvertisements: [object("bad", { communities: ["lar:123:9999:123"] })],
  },
  { name: "a large community of three sections", bgpAdvertisements: [object("bad", { communities: ["large:1:2"] })] },
  { name: "a community twice", bgpAdvertisements: [object("bad", { communities: ["1:1", "1:1"] })] },
  { name: "a community alias that is not there", bgpAdvertisements: [object("bad", { communities: ["unknown"] })] },
  { name: "a pool twice", bgpAdvertisements: [object("bad", { ipAddressPools: ["a", "a"] })] },
  { name: "a pool selector twice", bgpAdvertisements: [object("bad", { ipAddressPoolSelectors: [{}, {}] })] },
  { name: "a peer twice", bgpAdvertisements: [object("bad", { peers: ["a", "a"] })] },
  {
    name: "a value of a Community that is none",
    communities: [object("bad", { communities: [{ name: "a", value: "99999999:1" }] })],
  },
  {
    name: "a large value of a Community that is none",
    communities: [object("bad", { communities: [{ name: "a", value: "lar:123:9999:123" }] })],
  },
  {
    name: "a value of a Community with a big section",
    communities: [object("bad", { communities: [{ name: "a", value: "large:4294967296:1:1" }] })],
  },
  { name: "an alias without a name", communities: [object("bad", { communities: [{ name: "", value: "1:1" }] })] },
  {
    name: "an alias twice in one Community",
    communities: [
      object("bad", {
        communities: [
          { name: "a", value: "1:1" },
          { name: "a", value: "1:2" },
        ],
      }),
    ],
  },
  {
    name: "an alias that another Community has",
    communities: [alias, object("bad", { communities: [{ name: "vpn", value: "large:1:1:1" }] })],
  },
  { name: "a receive interval too short", bfdProfiles: [object("bad", { receiveInterval: 9 })] },
  { name: "a transmit interval too long", bfdProfiles: [object("bad", { transmitInterval: 60001 })] },
  { name: "a multiplier of 1", bfdProfiles: [object("bad", { detectMultiplier: 1 })] },
  { name: "a multiplier of 256", bfdProfiles: [object("bad", { detectMultiplier: 256 })] },
  { name: "an echo interval too short", bfdProfiles: [object("bad", { echoInterval: 1 })] },
  { name: "a TTL of 0", bfdProfiles: [object("bad", { minimumTtl: 0 })] },
  { name: "a TTL of 255", bfdProfiles: [object("bad", { minimumTtl: 255 })] },
];

describe("resolveConfig() leaves out a BGP object with a mistake, and only that", () => {
  test.each(REFUSED)("$name", (objects) => {
    const { problems } = resolve(objects);
    expect(new Set(problems.map(({ name }) => name))).toEqual(new Set(["bad"]));
    expect(new Set(problems.map(({ message }) => message)).size).toBe(problems.length);
  });

  test("in full sentences that name object, field, value, reason and remedy", async () => {
    const text = REFUSED.map(({ name, ...objects }) =>
      [`# ${name}`, ...resolve(objects).problems.map(({ message }) => message), ""].join("\n"),
    );
    await expect(text.join("\n")).toMatchFileSnapshot("../../golden/config/bgp-problems.txt");
  });

  test("and marks what will be used once another object is there", () => {
    const waiting = resolve({
      bgpPeers: [peer({ bfdProfile: "none" })],
      bgpAdvertisements: [object("a", { communities: ["x"] })],
    });
    expect(waiting.problems.map(({ kind, waits }) => [kind, waits])).toEqual([
      ["BGPAdvertisement", true],
      ["BGPPeer", true],
    ]);
    expect(resolve({ bgpPeers: [peer({ bfdProfile: "fast" })], bfdProfiles: [fast] }).bgpPeers).toHaveLength(1);
  });
});

describe("resolveConfig() takes addresses out of a pool", () => {
  const holesOf = (spec: object) =>
    resolve({ pools: [object("p", spec)] }).pools[0]?.holes.map(({ family, first, last }) =>
      [first, last].map((value) => printAddress({ family, value })).join("-"),
    );
  const cases: { name: string; spec: object; holes: string[] }[] = [
    { name: "an address", spec: { addresses: ["10.0.0.0/24"], excludes: ["10.0.0.1"] }, holes: ["10.0.0.1-10.0.0.1"] },
    {
      name: "a prefix and a run that touch",
      spec: { addresses: ["10.0.0.0/24"], excludes: ["10.0.0.8/29", "10.0.0.4-10.0.0.7"] },
      holes: ["10.0.0.4-10.0.0.15"],
    },
    {
      name: "first and last of each prefix",
      spec: { addresses: ["10.0.0.0/24", "10.0.2.0-10.0.2.9", "fc00::/64", "10.0.3.0/31"], reserveFirstAndLast: true },
      holes: [
        "10.0.0.0-10.0.0.0",
        "10.0.0.255-10.0.0.255",
        "fc00::-fc00::",
        "fc00::ffff:ffff:ffff:ffff-fc00::ffff:ffff:ffff:ffff",
      ],
    },
  ];
  test.each(cases)("$name", ({ spec, holes }) => {
    expect(holesOf(spec)).toEqual(holes);
  });

  test("refuses an exclude that is no address", () => {
    const [problem] = resolve({ pools: [object("p", { addresses: ["10.0.0.0/24"], excludes: ["gateway"] })] }).problems;
    expect(problem?.message).toContain('spec.excludes[0] is "gateway"');
  });
});
