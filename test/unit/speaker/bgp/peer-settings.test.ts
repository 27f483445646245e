import { describe, expect, test } from "vitest";
import { type BGPPeer, resolveConfig } from "../../../../config/mod.ts";
import type { V1Node, V1Secret } from "../../../../kube/mod.ts";
import { type NodePeer, nodePeersOf, waitOf } from "../../../../speaker/bgp/peer-settings.ts";

const NS = "metallb-system";
const NODE: V1Node = {
  metadata: { name: "node1", labels: { rack: "a" } },
  status: {
    addresses: [
      { type: "InternalIP", address: "2001:db8::1" },
      { type: "InternalIP", address: "10.0.0.1" },
    ],
  },
};

function peersOf(
  spec: Partial<BGPPeer["spec"]>,
  {
    annotations = {},
    secrets = [],
    node = NODE,
    listening = false,
  }: { annotations?: Record<string, string>; secrets?: V1Secret[]; node?: V1Node; listening?: boolean } = {},
): readonly NodePeer[] {
  const object = {
    metadata: { name: "tor", namespace: NS, annotations },
    spec: { myASN: 64513, peerASN: 64512, peerAddress: "192.0.2.1", ...spec },
  } as BGPPeer;
  const full = {
    transmitInterval: 60,
    receiveInterval: 61,
    detectMultiplier: 7,
    echoInterval: 62,
    passiveMode: true,
    minimumTtl: 200,
  };
  const bfdProfiles = [
    { metadata: { name: "fast", namespace: NS }, spec: { transmitInterval: 50 } },
    { metadata: { name: "full", namespace: NS }, spec: full },
  ];
  const {
    bgpPeers,
    bfdProfiles: profiles,
    problems,
  } = resolveConfig({ pools: [], l2Advertisements: [], bgpPeers: [object], bfdProfiles });
  expect(problems).toEqual([]);
  const secret = (name: string) => secrets.find(({ metadata }) => metadata?.name === name);
  const around = { secret, object: () => object, listening, forwardingPreserved: true };
  return nodePeersOf(bgpPeers, { node, bfdProfiles: profiles, ...around });
}

function settingsOf(...args: Parameters<typeof peersOf>) {
  const [peer] = peersOf(...args);
  return peer && "settings" in peer ? peer.settings : peer;
}

describe("nodePeersOf()", () => {
  test("fills in what is not set", () => {
    expect(settingsOf({})).toMatchObject({
      asn: 64513,
      peerAsn: 64512,
      routerId: 0x0a000001,
      holdTimeSeconds: 90,
      families: ["ipv4"],
      connectRetry: 10_000,
      port: 179,
    });
  });

  const { metadata } = NODE;
  const cases: { name: string; spec: Partial<BGPPeer["spec"]>; want: object }[] = [
    { name: "local AS", spec: { localASN: 65001 }, want: { asn: 65001 } },
    {
      name: "times",
      spec: { holdTime: "30s", connectTime: "5s" },
      want: { holdTimeSeconds: 30, keepaliveSeconds: 10, connectRetry: 5000 },
    },
    {
      name: "two times of its own",
      spec: { holdTime: "57s", keepaliveTime: "13s" },
      want: { holdTimeSeconds: 57, keepaliveSeconds: 13 },
    },
    { name: "router ID", spec: { routerID: "10.10.10.1" }, want: { routerId: 0x0a0a0a01 } },
    { name: "both families", spec: { dualStackAddressFamily: true }, want: { families: ["ipv4", "ipv6"] } },
    { name: "the family of the peer", spec: { peerAddress: "2001:db8::2" }, want: { families: ["ipv6"] } },
    { name: "graceful restart", spec: { enableGracefulRestart: true }, want: { restartSeconds: 120 } },
    {
      name: "BFD",
      spec: { bfdProfile: "fast" },
      want: { bfd: { transmitInterval: 50, receiveInterval: 300, detectMultiplier: 3 } },
    },
    {
      name: "BFD with every value",
      spec: { bfdProfile: "full" },
      want: {
        bfd: {
          transmitInterval: 60,
          receiveInterval: 61,
          detectMultiplier: 7,
          echoInterval: 62,
          passive: true,
          minimumTtl: 200,
        },
      },
    },
    { name: "a password", spec: { password: "x" }, want: { password: "x" } },
  ];
  test.each(cases)("heeds $name", ({ spec, want }) => expect(settingsOf(spec)).toMatchObject(want));

  test("a node without an IPv4 address has a router ID all the same, unlike that of others", () => {
    const idOf = (name: string) => {
      const settings = settingsOf({}, { node: { metadata: { ...metadata, name } } });
      return settings && "routerId" in settings ? settings.routerId : 0;
    };
    expect(idOf("a")).not.toBe(0);
    expect(idOf("a")).not.toBe(idOf("b"));
  });

  test("limits the hops where an annotation says so", () => {
    expect(settingsOf({}, { annotations: { "ironbridge.io/ttl-security": "1" } })).toMatchObject({ minimumTtl: 255 });
    expect(settingsOf({}, { annotations: { "ironbridge.io/ttl-security": "254" } })).toMatchObject({ minimumTtl: 2 });
    expect(settingsOf({})).not.toHaveProperty("minimumTtl");
  });

  test("waits for the peer to connect where an annotation says so and the agent takes connections", () => {
    const annotations = { "ironbridge.io/passive": "true" };
    expect(settingsOf({}, { annotations, listening: true })).toMatchObject({ passive: true });
    expect(settingsOf({}, { listening: true })).toMatchObject({ passive: false });
    expect(settingsOf({}, { annotations: { "ironbridge.io/passive": "false" } })).toMatchObject({ passive: false });
    expect(peersOf({}, { annotations })[0]).toMatchObject({ waits: expect.stringContaining("--bgp-listen-port") });
  });

  test.each(["on", "0", "255", "-1", "1.5", ""])("has no session less guarded than meant: ttl-security %j", (text) => {
    const annotations = { "ironbridge.io/ttl-security": text, "ironbridge.io/passive": "yes" };
    const [found] = peersOf({}, { annotations, listening: true });
    expect(found).not.toHaveProperty("settings");
    const want = `annotation ironbridge.io/ttl-security is "${text}"; write a number from 1 to 254; annotation ironbridge.io/passive is "yes"; write true or false`;
    expect(found).toMatchObject({ waits: want });
    expect(found && waitOf(found)).toEqual([`BGPPeer ${NS}/tor: ${want}`]);
  });

  test("leaves out peers of other nodes", () => {
    expect(peersOf({ nodeSelectors: [{ matchLabels: { rack: "b" } }] })).toEqual([]);
  });

  const spec = { passwordSecret: { name: "key" } };
  const secret = (type: string, data: Record<string, string>): V1Secret => ({
    metadata: { name: "key", namespace: NS },
    type,
    data,
  });
  test("reads the password from a Secret, and waits for one that is right", () => {
    const good = secret("kubernetes.io/basic-auth", { password: Buffer.from("x y").toString("base64") });
    expect(settingsOf(spec, { secrets: [good] })).toMatchObject({ password: "x y" });
    expect(peersOf(spec)[0]).toMatchObject({ waits: expect.stringContaining("not there") });
    expect(peersOf(spec, { secrets: [secret("Opaque", {})] })[0]).toMatchObject({
      waits: expect.stringContaining("basic-auth"),
    });
    const empty = secret("kubernetes.io/basic-auth", {});
    expect(peersOf(spec, { secrets: [empty] })[0]).toMatchObject({ waits: expect.stringContaining("no key") });
  });

  test("waits for a password that the kernel can sign with: 1 to 80 octets, and says no word of it", () => {
    const of = (password: string) => {
      const data = { password: Buffer.from(password).toString("base64") };
      return peersOf(spec, { secrets: [secret("kubernetes.io/basic-auth", data)] })[0];
    };
    expect(of("é".repeat(40))).toHaveProperty("settings");
    for (const [password, octets] of [
      ["é".repeat(41), 82],
      ["", 0],
    ] as const) {
      const waits = `the key "password" of the Secret ${NS}/key is ${octets} octets long`;
      expect(of(password)).toMatchObject({ waits: expect.stringContaining(waits) });
      expect(JSON.stringify(of(password))).not.toContain("éé");
    }
  });
});
