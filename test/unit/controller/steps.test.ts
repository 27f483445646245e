import { describe, expect, test } from "vitest";
import type { IPAddressPool } from "../../../config/mod.ts";
import { DUAL, PREFER, PREFER_SIX, poolObjects, type ServiceOptions, service } from "./objects.ts";
import { World } from "./world.ts";

type Pools = Parameters<typeof poolObjects>[0];

/** What is done, and what Services have afterwards: "a=10.0.0.0 b=-", where "-" waits for an address. */
type Step =
  | readonly ["add", name: string, options: ServiceOptions, want: string]
  | readonly ["edit", name: string, options: ServiceOptions, want: string]
  | readonly ["remove", name: string, want: string]
  | readonly ["pools", pools: Pools, want: string]
  | readonly ["label", namespace: string, labels: Record<string, string>, want: string]
  | readonly ["wait", ms: number, want: string]
  | readonly ["restart", want: string]
  /** The pools changed while no controller ran. */
  | readonly ["restart with", pools: Pools, want: string];

interface Scenario {
  readonly name: string;
  readonly pools: Pools;
  readonly memory?: { readonly remember: number; readonly coolDown: number };
  readonly steps: readonly Step[];
}

const SIX = { clusterIPs: ["fd00:96::1"] };
const POOL = (name: string) => ({ annotations: { "metallb.io/address-pool": name } });
const IPS = (list: string) => ({ annotations: { "metallb.io/loadBalancerIPs": list } });
const only = (allocation: NonNullable<IPAddressPool["spec"]["serviceAllocation"]>, ...addresses: string[]) => ({
  addresses,
  serviceAllocation: allocation,
});
const share = (key: string, port: number, more: ServiceOptions["spec"] = {}) => ({
  annotations: { "metallb.io/allow-shared-ip": key },
  spec: { ports: [{ port }], ...more },
});
const shareWith = (key: string, port: number, annotations: Record<string, string>) => ({
  annotations: { "metallb.io/allow-shared-ip": key, ...annotations },
  spec: { ports: [{ port }] },
});
const LOCAL = (app: string) => ({ externalTrafficPolicy: "Local", selector: { app } });
const CLUSTER_IP = { spec: { type: "ClusterIP" } };

const scenarios: readonly Scenario[] = [
  {
    name: "first come, first served, lowest address first",
    pools: { a: ["10.0.0.0/30"] },
    steps: [
      ["add", "s1", {}, "s1=10.0.0.0"],
      ["add", "s2", {}, "s1=10.0.0.0 s2=10.0.0.1"],
      ["add", "s3", {}, "s3=10.0.0.2"],
      ["add", "s4", {}, "s4=10.0.0.3"],
      ["add", "s5", {}, "s5=-"],
      ["add", "s6", {}, "s6=-"],
      ["remove", "s2", "s1=10.0.0.0 s5=10.0.0.1 s6=-"],
      ["remove", "s1", "s6=10.0.0.0"],
      ["remove", "s3", "s4=10.0.0.3"],
      ["add", "s7", {}, "s7=10.0.0.2"],
      ["restart", "s4=10.0.0.3 s5=10.0.0.1 s6=10.0.0.0 s7=10.0.0.2"],
    ],
  },
  {
    name: "ranges in the order of the spec, not of their numbers",
    pools: { a: ["10.0.9.0/31", "10.0.0.0/31"] },
    steps: [
      ["add", "s1", {}, "s1=10.0.9.0"],
      ["add", "s2", {}, "s2=10.0.9.1"],
      ["add", "s3", {}, "s3=10.0.0.0"],
      ["remove", "s1", "s2=10.0.9.1"],
      ["add", "s4", {}, "s4=10.0.9.0"],
    ],
  },
  {
    name: "pools by name where nothing else decides",
    pools: { b: ["10.0.1.0/32"], a: ["10.0.0.0/32"], c: ["10.0.2.0/32"] },
    steps: [
      ["add", "s1", {}, "s1=10.0.0.0"],
      ["add", "s2", {}, "s2=10.0.1.0"],
      ["add", "s3", {}, "s3=10.0.2.0"],
      ["add", "s4", {}, "s4=-"],
    ],
  },
  {
    name: "row 40: the address of a Service that becomes ClusterIP goes to the one that waits",
    pools: { a: ["10.0.0.0/32"] },
    steps: [
      ["add", "s1", {}, "s1=10.0.0.0"],
      ["add", "s2", {}, "s2=-"],
      ["edit", "s1", CLUSTER_IP, "s1=- s2=10.0.0.0"],
      ["edit", "s1", {}, "s1=- s2=10.0.0.0"],
      ["remove", "s2", "s1=10.0.0.0"],
    ],
  },
  {
    name: "row 42: restarts while others wait",
    pools: { a: ["10.0.0.0/31"] },
    steps: [
      ["add", "s1", {}, "s1=10.0.0.0"],
      ["add", "s2", {}, "s2=10.0.0.1"],
      ["add", "s3", {}, "s3=-"],
      ["add", "s4", {}, "s4=-"],
      ["restart", "s1=10.0.0.0 s2=10.0.0.1 s3=- s4=-"],
      ["restart", "s1=10.0.0.0 s2=10.0.0.1 s3=- s4=-"],
      ["restart", "s1=10.0.0.0 s2=10.0.0.1 s3=- s4=-"],
      ["restart", "s1=10.0.0.0 s2=10.0.0.1 s3=- s4=-"],
      ["restart", "s1=10.0.0.0 s2=10.0.0.1 s3=- s4=-"],
      ["remove", "s1", "s2=10.0.0.1 s3=10.0.0.0 s4=-"],
    ],
  },
  {
    name: "pools changed while no controller ran: who must move takes nobody's address",
    pools: { a: ["10.0.0.0/31"], b: ["10.0.1.0/31"] },
    steps: [
      ["add", "s1", {}, "s1=10.0.0.0"],
      ["add", "s2", POOL("b"), "s2=10.0.1.0"],
      ["restart with", { b: ["10.0.1.0/31"] }, "s1=10.0.1.1 s2=10.0.1.0"],
      ["restart with", { c: ["10.0.1.0/32"] }, "s1=10.0.1.0 s2=-"],
      ["restart with", { b: ["10.0.1.0/32"], d: ["10.0.2.0/32"] }, "s1=10.0.1.0 s2=-"],
    ],
  },
  {
    name: "row 43: sharing is looked at again with every change",
    pools: { a: ["10.0.0.0/32"] },
    steps: [
      ["add", "s1", share("k", 80), "s1=10.0.0.0"],
      ["add", "s2", share("k", 443), "s1=10.0.0.0 s2=10.0.0.0"],
      ["edit", "s2", share("k", 443, LOCAL("x")), "s1=10.0.0.0 s2=-"],
      ["edit", "s1", share("k", 80, LOCAL("x")), "s1=10.0.0.0 s2=10.0.0.0"],
      ["edit", "s1", share("k", 80, LOCAL("y")), "s1=- s2=10.0.0.0"],
      ["edit", "s2", share("k", 443, LOCAL("y")), "s1=10.0.0.0 s2=10.0.0.0"],
      ["restart", "s1=10.0.0.0 s2=10.0.0.0"],
    ],
  },
  {
    name: "sharing needs a key on both, the same key, and ports apart",
    pools: { a: ["10.0.0.0/31"] },
    steps: [
      ["add", "s1", share("k", 80), "s1=10.0.0.0"],
      ["add", "s2", share("other", 81), "s2=10.0.0.1"],
      ["add", "s3", share("k", 80), "s3=-"],
      ["add", "s4", share("k", 82), "s4=10.0.0.0"],
      ["add", "s5", {}, "s5=-"],
      ["edit", "s3", share("k", 83), "s3=10.0.0.0"],
      ["edit", "s3", share("other", 83), "s3=10.0.0.1"],
      ["edit", "s2", {}, "s2=- s3=10.0.0.1"],
      ["edit", "s3", share("", 83), "s3=10.0.0.1"],
      ["remove", "s3", "s2=10.0.0.1 s5=-"],
      ["remove", "s1", "s4=10.0.0.0 s5=-"],
      ["remove", "s4", "s5=10.0.0.0"],
    ],
  },
  {
    name: "TCP and UDP ports of one number are apart",
    pools: { a: ["10.0.0.0/32"] },
    steps: [
      [
        "add",
        "s1",
        { annotations: { "metallb.io/allow-shared-ip": "dns" }, spec: { ports: [{ port: 53 }] } },
        "s1=10.0.0.0",
      ],
      [
        "add",
        "s2",
        { annotations: { "metallb.io/allow-shared-ip": "dns" }, spec: { ports: [{ port: 53, protocol: "UDP" }] } },
        "s2=10.0.0.0",
      ],
      [
        "add",
        "s3",
        { annotations: { "metallb.io/allow-shared-ip": "dns" }, spec: { ports: [{ port: 53, protocol: "UDP" }] } },
        "s3=-",
      ],
      ["remove", "s2", "s1=10.0.0.0 s3=10.0.0.0"],
    ],
  },
  {
    name: "a key counts in every namespace, and its only user may change it",
    pools: { a: ["10.0.0.0/32"] },
    steps: [
      ["add", "s1", share("k", 80), "s1=10.0.0.0"],
      ["add", "t/s2", { ...share("k", 81), namespace: "t" }, "t/s2=10.0.0.0"],
      ["edit", "s1", share("l", 80), "s1=- t/s2=10.0.0.0"],
      ["edit", "t/s2", { ...share("l", 81), namespace: "t" }, "s1=10.0.0.0 t/s2=10.0.0.0"],
      ["remove", "t/s2", "s1=10.0.0.0"],
      ["edit", "s1", share("m", 80), "s1=10.0.0.0"],
      ["edit", "s1", {}, "s1=10.0.0.0"],
    ],
  },
  {
    name: "the legacy annotations say the same, and the present ones win",
    pools: { a: ["10.0.0.0/32"], b: ["10.0.1.0/32"] },
    steps: [
      ["add", "s1", { annotations: { "metallb.universe.tf/address-pool": "b" } }, "s1=10.0.1.0"],
      [
        "edit",
        "s1",
        { annotations: { "metallb.universe.tf/address-pool": "b", "metallb.io/address-pool": "a" } },
        "s1=10.0.0.0",
      ],
      ["edit", "s1", { annotations: { "metallb.universe.tf/loadBalancerIPs": "10.0.1.0" } }, "s1=10.0.1.0"],
    ],
  },
  {
    name: "addresses asked for",
    pools: { a: ["10.0.0.0/30"], manual: { addresses: ["10.0.1.0/30"], autoAssign: false } },
    steps: [
      ["add", "s1", IPS("10.0.0.3"), "s1=10.0.0.3"],
      ["add", "s2", { spec: { loadBalancerIP: "10.0.0.2" } }, "s2=10.0.0.2"],
      ["add", "s3", IPS("10.0.0.3"), "s3=-"],
      ["add", "s4", IPS("10.0.1.1"), "s4=10.0.1.1"],
      ["add", "s5", IPS("10.0.9.9"), "s5=-"],
      ["add", "s6", IPS("nonsense"), "s6=-"],
      ["add", "s7", IPS("10.0.0.0,10.0.0.1"), "s7=-"],
      ["remove", "s1", "s3=10.0.0.3"],
      ["edit", "s3", IPS("10.0.0.1"), "s3=10.0.0.1"],
      ["edit", "s3", {}, "s3=10.0.0.1"],
      ["edit", "s3", IPS("nonsense"), "s3=10.0.0.1"],
      ["edit", "s6", IPS(" 10.0.0.0 "), "s6=10.0.0.0"],
      ["edit", "s2", { ...IPS("10.0.0.2"), spec: { loadBalancerIP: "10.0.0.2" } }, "s2=10.0.0.2"],
      ["restart", "s2=10.0.0.2 s3=10.0.0.1 s4=10.0.1.1 s6=10.0.0.0"],
    ],
  },
  {
    name: "a pool asked for",
    pools: { a: ["10.0.0.0/31"], b: { addresses: ["10.0.1.0/32"], autoAssign: false } },
    steps: [
      ["add", "s1", POOL("b"), "s1=10.0.1.0"],
      ["add", "s2", POOL("b"), "s2=-"],
      ["add", "s3", POOL("none"), "s3=-"],
      ["add", "s4", {}, "s4=10.0.0.0"],
      ["edit", "s4", POOL("b"), "s4=-"],
      ["edit", "s4", POOL("a"), "s4=10.0.0.0"],
      ["edit", "s1", POOL("a"), "s1=10.0.0.1 s2=10.0.1.0"],
      [
        "edit",
        "s2",
        { annotations: { "metallb.io/address-pool": "b", "metallb.io/loadBalancerIPs": "10.0.0.0" } },
        "s2=-",
      ],
      ["pools", { none: ["10.0.3.0/32"], a: ["10.0.0.0/31"] }, "s3=10.0.3.0 s4=10.0.0.0 s1=10.0.0.1"],
    ],
  },
  {
    name: "row 44 and 45: pools deleted",
    pools: { a: ["10.0.0.0/31"], b: ["10.0.1.0/31"] },
    steps: [
      ["add", "s1", {}, "s1=10.0.0.0"],
      ["add", "s2", {}, "s2=10.0.0.1"],
      ["add", "s3", {}, "s3=10.0.1.0"],
      ["pools", { b: ["10.0.1.0/31"] }, "s1=10.0.1.1 s2=- s3=10.0.1.0"],
      ["pools", {}, "s1=- s2=- s3=-"],
      ["pools", { c: ["10.0.2.0/31"] }, "s1=10.0.2.0 s2=10.0.2.1 s3=-"],
    ],
  },
  {
    name: "pools grown, shrunk, divided, joined and renamed",
    pools: { a: ["10.0.0.0/31"] },
    steps: [
      ["add", "s1", {}, "s1=10.0.0.0"],
      ["add", "s2", {}, "s2=10.0.0.1"],
      ["add", "s3", {}, "s3=-"],
      ["pools", { a: ["10.0.0.0/30"] }, "s1=10.0.0.0 s2=10.0.0.1 s3=10.0.0.2"],
      ["pools", { b: ["10.0.0.0/30"] }, "s1=10.0.0.0 s2=10.0.0.1 s3=10.0.0.2"],
      ["pools", { a: ["10.0.0.0/31"], b: ["10.0.0.2/31"] }, "s1=10.0.0.0 s2=10.0.0.1 s3=10.0.0.2"],
      ["pools", { a: ["10.0.0.0/31"], b: ["10.0.0.3/32"] }, "s1=10.0.0.0 s2=10.0.0.1 s3=10.0.0.3"],
      ["pools", { a: ["10.0.0.1/32"], b: ["10.0.0.3/32"] }, "s1=- s2=10.0.0.1 s3=10.0.0.3"],
      ["pools", { all: ["10.0.0.0-10.0.0.3"] }, "s1=10.0.0.0 s2=10.0.0.1 s3=10.0.0.3"],
      ["pools", { all: { addresses: ["10.0.0.0/30"], autoAssign: false } }, "s1=10.0.0.0 s2=10.0.0.1 s3=10.0.0.3"],
      ["add", "s4", {}, "s4=-"],
      ["restart", "s1=10.0.0.0 s2=10.0.0.1 s3=10.0.0.3 s4=-"],
    ],
  },
  {
    name: "a pool with a mistake keeps what it gave and gives nothing",
    pools: { a: ["10.0.0.0/31"], b: ["10.0.1.0/32"] },
    steps: [
      ["add", "s1", {}, "s1=10.0.0.0"],
      ["pools", { a: ["10.0.0.1-10.0.0.0"], b: ["10.0.1.0/32"] }, "s1=10.0.0.0"],
      ["add", "s2", {}, "s2=10.0.1.0"],
      ["add", "s3", {}, "s1=10.0.0.0 s3=-"],
      ["pools", { a: ["10.0.0.0/31"], b: ["10.0.1.0/32"] }, "s1=10.0.0.0 s2=10.0.1.0 s3=10.0.0.1"],
    ],
  },
  {
    name: "avoidBuggyIPs, excludes and reserved ends",
    pools: { a: { addresses: ["10.0.0.254-10.0.1.2"], avoidBuggyIPs: true } },
    steps: [
      ["add", "s1", {}, "s1=10.0.0.254"],
      ["add", "s2", {}, "s2=10.0.1.1"],
      ["add", "s3", IPS("10.0.0.255"), "s3=-"],
      ["add", "s4", IPS("10.0.1.0"), "s4=-"],
      ["pools", { a: ["10.0.0.254-10.0.1.2"] }, "s1=10.0.0.254 s2=10.0.1.1 s3=10.0.0.255 s4=10.0.1.0"],
      [
        "pools",
        { a: { addresses: ["10.0.0.254-10.0.1.2"], excludes: ["10.0.0.255-10.0.1.0"] } },
        "s1=10.0.0.254 s3=- s4=-",
      ],
      ["pools", { a: { addresses: ["10.0.1.0/30"], reserveFirstAndLast: true } }, "s2=10.0.1.1 s1=10.0.1.2 s4=-"],
      ["add", "s5", {}, "s5=-"],
      ["pools", { a: { addresses: ["10.0.1.0/30"] } }, "s2=10.0.1.1 s1=10.0.1.2 s4=10.0.1.0 s5=10.0.1.3"],
      ["pools", { a: { addresses: ["10.0.1.0/30"], avoidBuggyIPs: true } }, "s4=- s1=10.0.1.2 s2=10.0.1.1 s5=10.0.1.3"],
      ["pools", { a: { addresses: ["10.0.1.0/30"], excludes: ["10.0.1.0/29"] } }, "s1=- s2=- s4=- s5=-"],
    ],
  },
  {
    name: "row 46: namespaces with priorities, then none",
    pools: {
      p20: only({ priority: 20, namespaces: ["t"] }, "10.0.20.0/32"),
      p10: only({ priority: 10, namespaces: ["t"] }, "10.0.10.0/32"),
      p0: only({ namespaces: ["t"] }, "10.0.30.0/32"),
      open: ["10.0.0.0/32"],
    },
    steps: [
      ["add", "t/s1", { namespace: "t" }, "t/s1=10.0.10.0"],
      ["add", "t/s2", { namespace: "t" }, "t/s2=10.0.20.0"],
      ["add", "t/s3", { namespace: "t" }, "t/s3=10.0.30.0"],
      ["add", "t/s4", { namespace: "t" }, "t/s4=10.0.0.0"],
      ["add", "t/s5", { namespace: "t" }, "t/s5=-"],
      ["add", "s6", {}, "s6=-"],
      ["add", "s7", POOL("p10"), "s7=-"],
      ["add", "s8", IPS("10.0.10.0"), "s8=-"],
      ["remove", "t/s1", "s7=- s8=- t/s5=10.0.10.0"],
      ["remove", "t/s4", "s6=10.0.0.0"],
    ],
  },
  {
    name: "row 47: only a priority",
    pools: { b: only({ priority: 10 }, "10.0.1.0/32"), a: only({ priority: 20 }, "10.0.0.0/32"), c: ["10.0.2.0/32"] },
    steps: [
      ["add", "s1", {}, "s1=10.0.1.0"],
      ["add", "s2", {}, "s2=10.0.0.0"],
      ["add", "s3", {}, "s3=10.0.2.0"],
    ],
  },
  {
    name: "row 49 and 50: Services by label, together with namespaces",
    pools: {
      gold: only({ priority: 1, serviceSelectors: [{ matchLabels: { tier: "gold" } }] }, "10.0.1.0/32"),
      both: only(
        { priority: 2, namespaces: ["t"], serviceSelectors: [{ matchLabels: { tier: "gold" } }] },
        "10.0.2.0/32",
      ),
      team: only({ priority: 3, namespaces: ["t"] }, "10.0.3.0/32"),
    },
    steps: [
      ["add", "s1", { labels: { tier: "gold" } }, "s1=10.0.1.0"],
      ["add", "s2", { labels: { tier: "gold" } }, "s2=-"],
      ["add", "t/s3", { namespace: "t", labels: { tier: "gold" } }, "t/s3=10.0.2.0"],
      ["add", "t/s4", { namespace: "t" }, "t/s4=10.0.3.0"],
      ["edit", "s1", { labels: { tier: "iron" } }, "s1=- s2=10.0.1.0"],
      ["edit", "t/s3", { namespace: "t" }, "t/s3=-"],
      ["edit", "s1", { labels: { tier: "gold" } }, "s1=-"],
      ["remove", "t/s4", "t/s3=10.0.3.0"],
    ],
  },
  {
    name: "row 51: namespaces by label, and labelled anew",
    pools: {
      red: only({ priority: 1, namespaceSelectors: [{ matchLabels: { team: "red" } }] }, "10.0.1.0/32"),
      blue: only({ priority: 2, namespaceSelectors: [{ matchLabels: { team: "blue" } }] }, "10.0.2.0/32"),
      zopen: ["10.0.0.0/32"],
    },
    steps: [
      ["label", "t", { team: "red" }, ""],
      ["label", "u", { team: "blue" }, ""],
      ["add", "t/s1", { namespace: "t" }, "t/s1=10.0.1.0"],
      ["add", "u/s2", { namespace: "u" }, "u/s2=10.0.2.0"],
      ["add", "u/s3", { namespace: "u" }, "u/s3=10.0.0.0"],
      ["label", "t", { team: "none" }, "t/s1=-"],
      ["label", "u", { team: "red" }, "u/s2=10.0.1.0 u/s3=10.0.0.0 t/s1=-"],
      ["remove", "u/s3", "t/s1=10.0.0.0"],
    ],
  },
  {
    name: "row 52 to 54: dual stack preferred",
    pools: { dual: ["10.0.0.0/32", "fc00::/128"], four: ["10.0.1.0/31"], six: ["fc01::/127"] },
    steps: [
      ["add", "s1", { spec: PREFER }, "s1=10.0.0.0,fc00::"],
      ["add", "s2", { spec: PREFER }, "s2=10.0.1.0"],
      ["add", "s3", { spec: PREFER_SIX }, "s3=fc01::"],
      ["add", "s4", { spec: DUAL }, "s4=-"],
      ["add", "s5", { spec: SIX }, "s5=fc01::1"],
      ["remove", "s1", "s2=10.0.1.0 s3=fc01:: s4=10.0.0.0,fc00::"],
    ],
  },
  {
    name: "row 55: a single pool becomes dual",
    pools: { a: ["10.0.0.0/30"] },
    steps: [
      ["add", "s1", { spec: PREFER }, "s1=10.0.0.0"],
      ["add", "s2", { spec: PREFER_SIX }, "s2=10.0.0.1"],
      ["pools", { a: ["10.0.0.0/30", "fc00::/126"] }, "s1=10.0.0.0,fc00:: s2=10.0.0.1,fc00::1"],
      ["restart", "s1=10.0.0.0,fc00:: s2=10.0.0.1,fc00::1"],
    ],
  },
  {
    name: "row 56: preferred and required on a pool of one family",
    pools: { a: ["10.0.0.0/30"] },
    steps: [
      ["add", "s1", { spec: PREFER }, "s1=10.0.0.0"],
      ["edit", "s1", { spec: DUAL }, "s1=-"],
      ["edit", "s1", { spec: PREFER }, "s1=10.0.0.0"],
    ],
  },
  {
    name: "row 57 and 58: a dual pool appears later, shrinks, and is not left for another",
    pools: { four: ["10.0.0.0/30"] },
    steps: [
      ["add", "s1", { spec: PREFER }, "s1=10.0.0.0"],
      ["pools", { four: ["10.0.0.0/30"], dual: ["10.0.1.0/30", "fc01::/126"] }, "s1=10.0.0.0"],
      ["add", "s2", { spec: DUAL }, "s2=10.0.1.0,fc01::"],
      [
        "pools",
        { four: ["10.0.0.0/30"], dual: ["10.0.1.0/30"], other: ["10.0.2.0/30", "fc02::/126"] },
        "s2=10.0.2.0,fc02:: s1=10.0.0.0",
      ],
    ],
  },
  {
    name: "dual stack asked for by address",
    pools: { dual: ["10.0.0.0/30", "fc00::/126"], four: ["10.0.1.0/30"], six: ["fc01::/126"] },
    steps: [
      ["add", "s1", { ...IPS("fc00::2, 10.0.0.2"), spec: DUAL }, "s1=fc00::2,10.0.0.2"],
      ["add", "s2", { ...IPS("10.0.1.0,fc01::"), spec: DUAL }, "s2=-"],
      ["add", "s3", { ...IPS("10.0.0.1"), spec: DUAL }, "s3=-"],
      ["add", "s4", { ...IPS("fc00::1"), spec: {} }, "s4=-"],
      ["edit", "s3", { ...IPS("10.0.0.1,fc00::1"), spec: DUAL }, "s3=10.0.0.1,fc00::1"],
      ["add", "s5", { spec: DUAL }, "s5=10.0.0.0,fc00::"],
      ["edit", "s5", {}, "s5=10.0.0.0"],
    ],
  },
  {
    name: "dual stack shared, address by address",
    pools: { a: ["10.0.0.0/31", "fc00::/127"] },
    steps: [
      ["add", "s1", share("k", 80, DUAL), "s1=10.0.0.0,fc00::"],
      ["add", "s2", share("k", 81, DUAL), "s2=10.0.0.0,fc00::"],
      ["add", "s3", share("k", 80), "s3=10.0.0.1"],
      ["add", "s4", share("k", 80, DUAL), "s4=-"],
      ["add", "s5", shareWith("k", 82, { "metallb.io/loadBalancerIPs": "10.0.0.1" }), "s5=10.0.0.1"],
      ["remove", "s1", "s4=10.0.0.0,fc00::"],
    ],
  },
  {
    name: "other reasons to wait",
    pools: { a: ["10.0.0.0/30"] },
    steps: [
      ["add", "s1", { spec: { clusterIPs: [] } }, "s1=-"],
      ["add", "s2", { spec: { clusterIPs: ["None"] } }, "s2=-"],
      ["add", "s3", { spec: { ipFamilyPolicy: "RequireDualStack" } }, "s3=-"],
      ["add", "s4", { spec: { loadBalancerClass: "foo" } }, "s4=-"],
      ["add", "s5", { spec: SIX }, "s5=-"],
      ["edit", "s1", {}, "s1=10.0.0.0"],
      ["edit", "s1", { spec: SIX }, "s1=-"],
      ["edit", "s5", {}, "s5=10.0.0.0"],
      ["edit", "s5", { spec: { type: "ExternalName" } }, "s5=-"],
    ],
  },
  {
    name: "a Service made anew gets back what it had",
    pools: { a: ["10.0.0.0/30"] },
    memory: { remember: 1000, coolDown: 0 },
    steps: [
      ["add", "s1", {}, "s1=10.0.0.0"],
      ["add", "s2", {}, "s2=10.0.0.1"],
      ["remove", "s2", ""],
      ["remove", "s1", ""],
      ["add", "s2", {}, "s2=10.0.0.1"],
      ["remove", "s2", ""],
      ["wait", 1000, ""],
      ["add", "s2", {}, "s2=10.0.0.0"],
      ["remove", "s2", ""],
      ["add", "s3", {}, "s3=10.0.0.0"],
      ["add", "s2", {}, "s2=10.0.0.1"],
      ["remove", "s2", ""],
      ["pools", { b: ["10.0.1.0/30"] }, ""],
      ["add", "s2", {}, "s2=10.0.1.1"],
    ],
  },
  {
    name: "an address rests before another Service gets it",
    pools: { a: ["10.0.0.0/31"] },
    memory: { remember: 5000, coolDown: 1000 },
    steps: [
      ["add", "s1", {}, "s1=10.0.0.0"],
      ["remove", "s1", ""],
      ["add", "s2", {}, "s2=10.0.0.1"],
      ["add", "s3", {}, "s3=-"],
      ["add", "s4", IPS("10.0.0.0"), "s4=-"],
      ["wait", 999, "s3=- s4=-"],
      ["wait", 1, "s3=10.0.0.0 s4=-"],
      ["remove", "s3", "s4=-"],
      ["add", "s3", {}, "s3=10.0.0.0 s4=-"],
      ["remove", "s3", "s4=-"],
      ["wait", 1000, "s4=10.0.0.0"],
    ],
  },
  {
    name: "a shared address stays with those left, also when the controller starts while it would rest",
    pools: { a: ["10.0.0.0/31"] },
    memory: { remember: 5000, coolDown: 1000 },
    steps: [
      ["add", "s1", share("k", 80), "s1=10.0.0.0"],
      ["add", "s2", share("k", 81), "s2=10.0.0.0"],
      ["remove", "s1", "s2=10.0.0.0"],
      ["restart", "s2=10.0.0.0"],
      ["remove", "s2", ""],
      ["add", "s3", share("k", 80), "s3=10.0.0.1"],
      ["add", "s1", share("k", 80), "s1=10.0.0.0 s3=10.0.0.1"],
    ],
  },
  {
    name: "a Service may have a part of what it had, while that rests for others",
    pools: { a: ["10.0.0.0/32", "fc00::/128"] },
    memory: { remember: 5000, coolDown: 1000 },
    steps: [
      ["add", "s1", { spec: DUAL }, "s1=10.0.0.0,fc00::"],
      ["remove", "s1", ""],
      ["add", "s2", {}, "s2=-"],
      ["add", "s1", {}, "s1=10.0.0.0 s2=-"],
    ],
  },
];

function take(world: World, step: Step): void {
  switch (step[0]) {
    case "add":
      world.set(made(world, step[1], step[2]));
      break;
    case "edit":
      world.edit(keyOf(step[1]), ({ metadata }) => {
        const after = made(world, step[1], step[2]);
        const annotations = { ...after.metadata?.annotations, ...recorded(metadata?.annotations) };
        return {
          ...after,
          metadata: { ...after.metadata, creationTimestamp: metadata?.creationTimestamp ?? "", annotations },
        };
      });
      break;
    case "remove":
      world.remove(keyOf(step[1]));
      break;
    case "pools":
      world.setPools(poolObjects(step[1]));
      break;
    case "label":
      world.relabel(step[1], step[2]);
      break;
    case "wait":
      world.wait(step[1]);
      break;
    case "restart":
      world.restart();
      break;
    case "restart with":
      world.restart(poolObjects(step[1]));
  }
  world.settle();
}

/** The Services come in the order of the steps. */
function made(world: World, name: string, options: ServiceOptions) {
  const second = String(world.services.size + world.writes.length).padStart(4, "0");
  const [, short = name] = name.split("/");
  return service(short, { ...options, created: `2026-01-01T00:${second.slice(0, 2)}:${second.slice(2)}Z` });
}

function recorded(annotations: Record<string, string> = {}) {
  const key = "metallb.io/ip-allocated-from-pool";
  return annotations[key] === undefined ? {} : { [key]: annotations[key] };
}

function keyOf(name: string): string {
  return name.includes("/") ? name : `default/${name}`;
}

describe("addresses, step by step", () => {
  test.each(scenarios)("$name", ({ pools, memory, steps }) => {
    const world = memory === undefined ? new World() : new World(undefined, memory);
    world.setPools(poolObjects(pools));
    for (const [i, step] of steps.entries()) {
      take(world, step);
      const want = step.at(-1) as string;
      const names = want
        .split(" ")
        .filter(Boolean)
        .map((each) => each.split("=")[0]!);
      const got = names.map((name) => `${name}=${world.ips(keyOf(name)) || "-"}`).join(" ");
      expect(got, `after step ${i + 1}: ${JSON.stringify(step)}`).toBe(want);
    }
  });

  test("in at least two hundred steps", () => {
    expect(scenarios.flatMap(({ steps }) => steps).length).toBeGreaterThanOrEqual(200);
  });
});
