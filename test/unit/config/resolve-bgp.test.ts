import { describe, expect, test } from "vitest";
import { type ConfigObjects, resolveConfig } from "../../../config/mod.ts";
import { printAddress } from "../../../net/mod.ts";
import { alias, fast, four, object, older, PEER, peer, REFUSED, run, six } from "./bgp-mistakes.ts";

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
        passiveMode: false,
        minimumTtl: 254,
      },
    ]);
  });

  test("a BFD profile that asks for echo packets, and its peer of any family, with a remark", () => {
    const { problems, remarks, bfdProfiles, bgpPeers } = resolve({
      pools: [six],
      bgpAdvertisements: [object("all", {})],
      bgpPeers: [peer({ bfdProfile: "echo" })],
      bfdProfiles: [object("echo", { echoMode: true, receiveInterval: 50 }), fast],
    });
    expect(problems).toEqual([]);
    expect(bfdProfiles[0]).toMatchObject({ name: "echo", receiveInterval: 50 });
    expect(bgpPeers[0]?.bfdProfile).toBe("echo");
    expect(remarks.map(({ message }) => message)).toEqual([
      "BFDProfile metallb-system/echo: spec.echoMode is true: no echo packets are sent, and sessions run on control packets alone; remove it.",
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
