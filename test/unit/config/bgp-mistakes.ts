import type { ConfigObjects } from "../../../config/mod.ts";

/** An object as YAML would give it, mistakes included: the type is what the API server promises, not what it holds. */
export function object(name: string, spec: unknown, created = "2026-01-02T00:00:00Z"): never {
  return { metadata: { name, namespace: "metallb-system", creationTimestamp: created }, spec } as never;
}

export const OLD = "2026-01-01T00:00:00Z";
export const four = object("four", { addresses: ["10.0.0.0/28"] }, OLD);
export const run = object("run", { addresses: ["10.0.1.1-10.0.1.8"] }, OLD);
export const six = object("six", { addresses: ["fc00::/120"] }, OLD);
export const alias = object("aliases", { communities: [{ name: "vpn", value: "64512:7" }] }, OLD);
export const PEER = { myASN: 64512, peerASN: 64513, peerAddress: "192.0.2.1" };
export const peer = (spec: object, created?: string) => object("bad", { ...PEER, ...spec }, created);
export const older = (spec: object) => object("older", { ...PEER, ...spec }, OLD);
export const fast = object("fast", { receiveInterval: 50, detectMultiplier: 3 }, OLD);

/** Objects of which the one named "bad" has a mistake, alone or beside the others. */
const onEvery = { nodeSelectors: [] };
export const REFUSED: readonly ({ readonly name: string } & Partial<ConfigObjects>)[] = [
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
  { name: "a keepalive time that is no duration", bgpPeers: [peer({ keepaliveTime: "soon" })] },
  { name: "a connect time of less than a second", bgpPeers: [peer({ connectTime: "500ms" })] },
  { name: "a connect time of broken seconds", bgpPeers: [peer({ connectTime: "1500ms" })] },
  { name: "a connect time of more than 65535 seconds", bgpPeers: [peer({ connectTime: "65536s" })] },
  { name: "a connect time that is no duration", bgpPeers: [peer({ connectTime: "10" })] },
  { name: "a router ID that is no address", bgpPeers: [peer({ routerID: "one" })] },
  { name: "password and passwordSecret", bgpPeers: [peer({ password: "x", passwordSecret: { name: "y" } })] },
  { name: "a password of 82 octets", bgpPeers: [peer({ password: "é".repeat(41) })] },
  { name: "multi hop with an internal peer", bgpPeers: [peer({ peerASN: 64512, ebgpMultiHop: true })] },
  {
    name: "multi hop with any internal peer",
    bgpPeers: [peer({ peerASN: undefined, dynamicASN: "internal", ebgpMultiHop: true })],
  },
  {
    name: "a node selector twice",
    bgpPeers: [peer({ nodeSelectors: [{ matchLabels: { a: "b" } }, { matchLabels: { a: "b" } }] })],
  },
  {
    name: "every mistake of a peer at once",
    bgpPeers: [peer({ myASN: 0, peerAddress: "x", holdTime: "1s", routerID: "y" })],
  },
  { name: "a BFD profile that is not there", bgpPeers: [peer({ bfdProfile: "none" })] },
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
  { name: "a localPref too big", bgpAdvertisements: [object("bad", { localPref: 4294967296 })] },
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
    name: "a node selector of an advertisement twice",
    bgpAdvertisements: [object("bad", { nodeSelectors: [{}, {}] })],
  },
  { name: "a Service selector twice", bgpAdvertisements: [object("bad", { serviceSelectors: [{}, {}] })] },
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
  { name: "a receive interval too long", bfdProfiles: [object("bad", { receiveInterval: 60001 })] },
  { name: "a transmit interval too short", bfdProfiles: [object("bad", { transmitInterval: 9 })] },
  { name: "an echo interval too long", bfdProfiles: [object("bad", { echoInterval: 60001 })] },
  { name: "a receive interval too short", bfdProfiles: [object("bad", { receiveInterval: 9 })] },
  { name: "a transmit interval too long", bfdProfiles: [object("bad", { transmitInterval: 60001 })] },
  { name: "a multiplier of 1", bfdProfiles: [object("bad", { detectMultiplier: 1 })] },
  { name: "a multiplier of 256", bfdProfiles: [object("bad", { detectMultiplier: 256 })] },
  { name: "an echo interval too short", bfdProfiles: [object("bad", { echoInterval: 1 })] },
  { name: "a TTL of 0", bfdProfiles: [object("bad", { minimumTtl: 0 })] },
  { name: "a TTL of 255", bfdProfiles: [object("bad", { minimumTtl: 255 })] },
];
