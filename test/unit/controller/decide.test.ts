import { describe, expect, test } from "vitest";
import { Allocator } from "../../../controller/allocator.ts";
import { decide } from "../../../controller/decide.ts";
import { currentAddresses, readRequest } from "../../../controller/requests.ts";
import type { V1Service } from "../../../kube/mod.ts";
import { printAddress } from "../../../net/mod.ts";
import { DUAL, PREFER, PREFER_SIX, poolList, type ServiceOptions, service } from "./objects.ts";

const POOLS = poolList({
  dual: { addresses: ["10.9.0.0/31", "fc09::/127"], autoAssign: false },
  four: ["10.0.0.0/30"],
  manual: { addresses: ["10.1.0.0/30"], autoAssign: false },
  mine: { addresses: ["10.2.0.0/30"], serviceAllocation: { namespaces: ["tenant"] } },
  six: ["fc00::/126"],
});

interface Case extends ServiceOptions {
  readonly name: string;
  /** The whole status after; undefined: not ours to write. */
  readonly want: string | undefined;
  readonly pool?: string;
  /** Reason and part of the message of each event. */
  readonly events?: readonly string[];
  readonly complaint?: string;
}

const POOL = "metallb.io/address-pool";
const IPS = "metallb.io/loadBalancerIPs";
const RECORDED = "metallb.io/ip-allocated-from-pool";

const cases: readonly Case[] = [
  // Who gets an address at all.
  {
    name: "a new Service gets the lowest address",
    want: "10.0.0.0",
    pool: "four",
    events: ['IPAllocated Assigned IP ["10.0.0.0"]'],
  },
  { name: "a ClusterIP Service has no address", spec: { type: "ClusterIP" }, want: "" },
  {
    name: "a former LoadBalancer loses its address",
    spec: { type: "ClusterIP" },
    ingress: ["10.0.0.1"],
    annotations: { [RECORDED]: "four" },
    want: "",
  },
  {
    name: "a Service of another class is not touched",
    spec: { loadBalancerClass: "x" },
    ingress: ["9.9.9.9"],
    want: undefined,
  },
  {
    name: "a Service without cluster IPs waits",
    spec: { clusterIPs: [] },
    want: "",
    complaint: "noclusterIPsIPFamily Failed to retrieve ClusterIPs IPFamily",
  },
  {
    name: "a headless Service waits",
    spec: { clusterIPs: ["None"] },
    ingress: ["10.0.0.1"],
    want: "",
    complaint: "noclusterIPsIPFamily Failed to retrieve ClusterIPs IPFamily for [None]",
  },
  {
    name: "an old API's single clusterIP is enough",
    spec: { clusterIPs: undefined as never, clusterIP: "10.96.0.7" },
    want: "10.0.0.0",
    events: ["IPAllocated"],
  },
  // What it has.
  { name: "a Service keeps what it has", ingress: ["10.0.0.2"], want: "10.0.0.2", pool: "four" },
  {
    name: "a Service keeps an address of a pool without autoAssign",
    ingress: ["10.1.0.2"],
    want: "10.1.0.2",
    pool: "manual",
  },
  {
    name: "an address outside every pool is replaced",
    ingress: ["10.0.9.9"],
    want: "10.0.0.0",
    events: [
      'ClearAssignment current IP for "default/s" not allowed by config',
      'IPAllocated Assigned IP ["10.0.0.0"]',
    ],
  },
  {
    name: "an address of a pool for others is replaced",
    ingress: ["10.2.0.1"],
    want: "10.0.0.0",
    events: ['ClearAssignment pool "mine" not compatible for ip assignment', "IPAllocated"],
  },
  {
    name: "an address of the other family is replaced",
    ingress: ["fc00::1"],
    want: "10.0.0.0",
    events: ["IPAllocated"],
  },
  {
    name: "two addresses of one family are replaced",
    ingress: ["10.0.0.1", "10.0.0.2"],
    want: "10.0.0.0",
    events: [
      'nolbIPsIPFamily Failed to retrieve LBIPs IPFamily for ["10.0.0.1" "10.0.0.2"]: more than one address of a family',
      "IPAllocated",
    ],
  },
  {
    name: "a status that is no address is replaced",
    ingress: ["lb.example"],
    want: "10.0.0.0",
    events: ["IPAllocated"],
  },
  // The pool annotation.
  {
    name: "a pool by annotation",
    annotations: { [POOL]: "manual" },
    want: "10.1.0.0",
    pool: "manual",
    events: ["IPAllocated"],
  },
  {
    name: "a pool by legacy annotation",
    annotations: { "metallb.universe.tf/address-pool": "manual" },
    want: "10.1.0.0",
    events: ["IPAllocated"],
  },
  { name: "an empty pool annotation is none", annotations: { [POOL]: "" }, want: "10.0.0.0", events: ["IPAllocated"] },
  {
    name: "another pool by annotation moves the Service",
    annotations: { [POOL]: "manual" },
    ingress: ["10.0.0.1"],
    want: "10.1.0.0",
    events: ["IPAllocated"],
  },
  {
    name: "a pool that is not there",
    annotations: { [POOL]: "gone" },
    want: "",
    complaint: `AllocationFailed Failed to allocate IP for "default/s": unknown pool "gone"; create the IPAddressPool`,
  },
  {
    name: "a pool that is not there takes the address away",
    annotations: { [POOL]: "gone" },
    ingress: ["10.0.0.1"],
    want: "",
    complaint: 'AllocationFailed unknown pool "gone"',
  },
  {
    name: "a pool that has a mistake",
    annotations: { [POOL]: "broken" },
    want: "",
    complaint: 'AllocationFailed unknown pool "broken"; that IPAddressPool has a mistake',
  },
  {
    name: "a pool for others by annotation",
    annotations: { [POOL]: "mine" },
    want: "",
    complaint: 'AllocationFailed pool "mine" not compatible for ip assignment',
  },
  {
    name: "a pool without the family",
    annotations: { [POOL]: "six" },
    want: "",
    complaint: 'AllocationFailed no available IPs in pool "six"',
  },
  // Named addresses.
  {
    name: "an address by annotation",
    annotations: { [IPS]: "10.1.0.3" },
    want: "10.1.0.3",
    pool: "manual",
    events: ["IPAllocated"],
  },
  {
    name: "an address by legacy annotation",
    annotations: { "metallb.universe.tf/loadBalancerIPs": "10.0.0.3" },
    want: "10.0.0.3",
    events: ["IPAllocated"],
  },
  {
    name: "an address by spec.loadBalancerIP",
    spec: { loadBalancerIP: "10.0.0.3" },
    want: "10.0.0.3",
    events: ["IPAllocated"],
  },
  { name: "the address it has", annotations: { [IPS]: "10.0.0.3" }, ingress: ["10.0.0.3"], want: "10.0.0.3" },
  {
    name: "another address than it has",
    annotations: { [IPS]: "10.0.0.3" },
    ingress: ["10.0.0.1"],
    want: "10.0.0.3",
    events: ["IPAllocated"],
  },
  {
    name: "both ways to name an address",
    annotations: { [IPS]: "10.0.0.3" },
    spec: { loadBalancerIP: "10.0.0.3" },
    want: "",
    complaint: "AllocationFailed service can not have both metallb.io/loadBalancerIPs and svc.Spec.LoadBalancerIP",
  },
  {
    name: "an address outside every pool",
    annotations: { [IPS]: "192.0.2.1" },
    want: "",
    complaint: 'AllocationFailed ["192.0.2.1"] is not allowed in config: no IPAddressPool holds it',
  },
  {
    name: "an address that is none",
    annotations: { [IPS]: "10.0.0.256" },
    want: "",
    complaint: 'AllocationFailed invalid metallb.io/loadBalancerIPs: "10.0.0.256" is not a list of IP addresses',
  },
  {
    name: "spec.loadBalancerIP that is none",
    spec: { loadBalancerIP: "x" },
    want: "",
    complaint: "AllocationFailed invalid spec.loadBalancerIP",
  },
  {
    name: "an address that is none leaves the Service what it has",
    annotations: { [IPS]: "10.0.0." },
    ingress: ["10.0.0.1"],
    want: "10.0.0.1",
    complaint: "LoadBalancerFailed invalid requested loadbalancer IPs: invalid metallb.io/loadBalancerIPs",
  },
  {
    name: "two addresses of one family",
    annotations: { [IPS]: "10.0.0.1, 10.0.0.2" },
    want: "",
    complaint: "AllocationFailed names more than one address of a family",
  },
  {
    name: "an address of the other family",
    annotations: { [IPS]: "fc00::1" },
    want: "",
    complaint: 'AllocationFailed requested loadBalancer IP(s) ["fc00::1"] does not match the ipFamily of the service',
  },
  {
    name: "an address of another pool than the annotation names",
    annotations: { [IPS]: "10.0.0.1", [POOL]: "manual" },
    want: "",
    complaint:
      'AllocationFailed requested loadBalancer IP(s) ["10.0.0.1"] is not compatible with requested address pool manual',
  },
  {
    name: "an address of a pool for others",
    annotations: { [IPS]: "10.2.0.1" },
    want: "",
    complaint: 'AllocationFailed pool "mine" not compatible for ip assignment',
  },
  // Families.
  {
    name: "an IPv6 Service",
    spec: { clusterIPs: ["fd00:96::1"] },
    want: "fc00::",
    pool: "six",
    events: ["IPAllocated"],
  },
  {
    name: "RequireDualStack with one cluster IP",
    spec: { ipFamilyPolicy: "RequireDualStack" },
    ingress: ["10.0.0.1"],
    want: "",
    complaint: "not enough clusterips Service requires dual stack but not enough clusterips [10.96.0.1]",
  },
  {
    name: "RequireDualStack, no pool of both families",
    spec: DUAL,
    want: "",
    complaint: "AllocationFailed no available IPs",
  },
  {
    name: "RequireDualStack from one pool",
    spec: DUAL,
    annotations: { [POOL]: "dual" },
    want: "10.9.0.0,fc09::",
    events: ['IPAllocated Assigned IP ["10.9.0.0" "fc09::"]'],
  },
  {
    name: "RequireDualStack gives up a single address",
    spec: DUAL,
    ingress: ["10.0.0.1"],
    want: "",
    complaint: "AllocationFailed",
  },
  {
    name: "RequireDualStack keeps its two addresses in their order",
    spec: DUAL,
    ingress: ["fc09::1", "10.9.0.1"],
    want: "fc09::1,10.9.0.1",
    pool: "dual",
  },
  {
    name: "PreferDualStack takes one address of the first family",
    spec: PREFER,
    want: "10.0.0.0",
    events: ["IPAllocated"],
  },
  { name: "PreferDualStack, IPv6 first", spec: PREFER_SIX, want: "fc00::", events: ["IPAllocated"] },
  {
    name: "PreferDualStack falls back to the second family",
    spec: PREFER_SIX,
    annotations: { [POOL]: "four" },
    want: "10.0.0.0",
    events: ["IPAllocated"],
  },
  {
    name: "PreferDualStack with one address gets the other from the same pool",
    spec: PREFER,
    ingress: ["10.9.0.1"],
    want: "10.9.0.1,fc09::",
    events: ['IPAllocated Assigned additional IP "fc09::"'],
  },
  {
    name: "PreferDualStack with one address of a pool of one family",
    spec: PREFER,
    ingress: ["10.0.0.1"],
    want: "10.0.0.1",
    complaint: 'AdditionalAssignFailed cannot assign additional IP in PreferDualStack: no available IPs in pool "four"',
  },
  {
    name: "two addresses by annotation",
    spec: PREFER,
    annotations: { [IPS]: "fc09::1, 10.9.0.1" },
    want: "fc09::1,10.9.0.1",
    events: ["IPAllocated"],
  },
  {
    name: "two addresses of two pools",
    spec: DUAL,
    annotations: { [IPS]: "10.0.0.1,fc00::1" },
    want: "",
    complaint: "AllocationFailed is not allowed in config: no IPAddressPool holds all of them",
  },
  {
    name: "one address for a dual-stack Service",
    spec: PREFER,
    annotations: { [IPS]: "10.9.0.1" },
    want: "",
    complaint: "AllocationFailed does not match the ipFamily of the service",
  },
  {
    name: "dual stack by spec.loadBalancerIP",
    spec: { ...DUAL, loadBalancerIP: "10.9.0.1" },
    want: "",
    complaint: "AllocationFailed does not match the ipFamily of the service",
  },
  {
    name: "a Service turned single-stack gives up its two addresses",
    ingress: ["10.9.0.1", "fc09::1"],
    want: "10.0.0.0",
    events: ["IPAllocated"],
  },
  // Pools with a mistake.
  {
    name: "an address of a pool that has a mistake stays",
    ingress: ["172.16.0.1"],
    annotations: { [RECORDED]: "broken" },
    want: "172.16.0.1",
    pool: "broken",
    complaint: 'PoolInvalid IPAddressPool "broken" of ["172.16.0.1"] has a mistake',
  },
  {
    name: "an address of a pool that has a mistake goes when the Service wants another",
    ingress: ["172.16.0.1"],
    annotations: { [RECORDED]: "broken", [IPS]: "10.0.0.3" },
    want: "10.0.0.3",
    events: ["ClearAssignment", "IPAllocated"],
  },
  {
    name: "an address that another pool has by now changes its pool",
    ingress: ["10.0.0.1"],
    annotations: { [RECORDED]: "broken" },
    want: "10.0.0.1",
    pool: "four",
  },
];

function decideFor(subject: V1Service, allocator = withPools()) {
  const situation = {
    key: "default/s",
    asked: readRequest(subject, {}, undefined),
    current: currentAddresses(subject),
    recordedPool: subject.metadata?.annotations?.[RECORDED],
    remembered: [],
  };
  return decide(situation, allocator, new Set(["broken"]));
}

function withPools(): Allocator {
  const allocator = new Allocator();
  allocator.setPools(POOLS);
  return allocator;
}

describe("decide()", () => {
  test.each(cases)("$name", ({ want, pool, events = [], complaint, ...options }) => {
    const decision = decideFor(service("s", options));
    expect(decision.status?.addresses.map(printAddress).join(",")).toBe(want);
    if (pool !== undefined) expect(decision.status?.pool).toBe(pool);
    const told = decision.events.map(({ reason, message }) => `${reason} ${message}`);
    expect(told).toHaveLength(events.length);
    for (const [i, event] of events.entries()) expectWords(told[i]!, event);
    if (complaint === undefined) expect(decision.complaint).toBeUndefined();
    else expectWords(`${decision.complaint?.reason} ${decision.complaint?.message}`, complaint);
  });

  test("gives the reason chain from what was asked to what was done", () => {
    const allocator = withPools();
    const chain = decideFor(service("s", { spec: DUAL, ingress: ["10.0.0.1"] }), allocator).reasons;
    expect(chain.map(({ step, text }) => `${step}: ${text}`)).toEqual([
      "asked: an address for ipv4 and ipv6 (RequireDualStack)",
      'cleared: ["10.0.0.1"] is not of the Service\'s IP families',
      'candidates: pool "four", pool "six"',
      'rejected: no available IPs in pool "four" for ipv4 and ipv6',
      'rejected: no available IPs in pool "six" for ipv4 and ipv6',
      'refused: Failed to allocate IP for "default/s": no available IPs: nothing free in four, six for default/s',
    ]);
  });

  test("without any pool takes every address away", () => {
    const decision = decideFor(service("s", { ingress: ["10.0.0.1"] }), new Allocator());
    expect(decision.status).toEqual({ addresses: [], pool: undefined });
    expect(decision.complaint?.message).toContain("no IPAddressPool is configured");
  });

  test("says freed only when others could use what was given up", () => {
    const allocator = withPools();
    expect(decideFor(service("s"), allocator).freed).toBe(false);
    expect(decideFor(service("s"), allocator).freed).toBe(false);
    expect(decideFor(service("s", { spec: { ports: [{ port: 81 }] } }), allocator).freed).toBe(true);
    expect(decideFor(service("s", { annotations: { [POOL]: "manual" } }), allocator).freed).toBe(true);
    expect(decideFor(service("s", { spec: { type: "ClusterIP" } }), allocator).freed).toBe(true);
    expect(decideFor(service("s", { spec: { type: "ClusterIP" } }), allocator).freed).toBe(false);
  });
});

/** The reason must be the first word of both, and the rest be found in the message. */
function expectWords(told: string, want: string): void {
  const reasons = ["not enough clusterips", want.split(" ")[0]!];
  const reason = reasons.find((each) => want.startsWith(each))!;
  expect(told.startsWith(`${reason} `), told).toBe(true);
  expect(told).toContain(want.slice(reason.length).trim());
}
