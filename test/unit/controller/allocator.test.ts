import { describe, expect, test } from "vitest";
import { Allocator, printAddresses } from "../../../controller/allocator.ts";
import type { Tenant } from "../../../controller/tenant.ts";
import { type Family, parseAddress } from "../../../net/mod.ts";
import { poolList } from "./objects.ts";

type Pools = Parameters<typeof poolList>[0];

/** One step and what must come of it: addresses (and the pool, for an allocation), or part of the refusal. */
type Step =
  | { readonly pools: Pools }
  | { readonly assign: string; readonly ip: string; readonly sharing?: Partial<Tenant>; readonly want: string }
  | {
      readonly allocate: string;
      readonly pool: string;
      readonly families?: readonly Family[];
      readonly sharing?: Partial<Tenant>;
      readonly want: string;
    }
  | { readonly release: string }
  | { readonly owner: string; readonly holds: string };

const OK = "ok";
const key = (sharingKey: string, port = 80, backendKey = "") => ({ sharingKey, backendKey, ports: [`TCP/${port}`] });

function tenant(owner: string, sharing: Partial<Tenant> = {}): Tenant {
  return { owner, sharingKey: "", backendKey: "", ports: ["TCP/80"], ...sharing };
}

function take(allocator: Allocator, step: Step): void {
  if ("pools" in step) allocator.setPools(poolList(step.pools));
  else if ("release" in step) allocator.release(step.release);
  else if ("holds" in step) {
    const claim = allocator.claimOf(step.owner);
    expect(claim === undefined ? "" : `${printAddresses(claim.addresses)} ${claim.pool}`).toBe(step.holds);
  } else if ("assign" in step) {
    const grant = allocator.assign(tenant(step.assign, step.sharing), step.ip.split(",").map(parseAddress));
    if (step.want === OK) expect(grant).toMatchObject({ ok: true });
    else expect(grant).toMatchObject({ ok: false, why: expect.stringContaining(step.want) });
  } else {
    const pool = allocator.pools.find(({ name }) => name === step.pool)!;
    const grant = allocator.allocate(tenant(step.allocate, step.sharing), pool, step.families ?? ["ipv4"]);
    const got = grant.ok ? printAddresses(grant.claim.addresses) : grant.why;
    expect(got).toBe(step.want);
  }
}

const cases: { readonly name: string; readonly steps: readonly Step[] }[] = [
  {
    name: "assign() is idempotent and refuses what another holds",
    steps: [
      { pools: { a: ["10.0.0.0/31"] } },
      { assign: "s1", ip: "10.0.0.0", want: OK },
      { assign: "s1", ip: "10.0.0.0", want: OK },
      { assign: "s2", ip: "10.0.0.0", want: `can't change sharing key for "s2", address also in use by s1` },
      { assign: "s2", ip: "10.0.0.1", want: OK },
      { assign: "s2", ip: "10.0.0.0", want: "also in use by s1" },
      { owner: "s2", holds: '["10.0.0.1"] a' },
      { assign: "s3", ip: "10.0.0.2", want: '["10.0.0.2"] is not allowed in config: no IPAddressPool holds it' },
    ],
  },
  {
    name: "assign() moves a Service, and the address it leaves is free",
    steps: [
      { pools: { a: ["10.0.0.0/30"] } },
      { assign: "s1", ip: "10.0.0.0", want: OK },
      { assign: "s1", ip: "10.0.0.3", want: OK },
      { assign: "s2", ip: "10.0.0.0", want: OK },
    ],
  },
  {
    name: "a sole holder changes its sharing key, ports and backend freely",
    steps: [
      { pools: { a: ["10.0.0.0/32"] } },
      { assign: "s1", ip: "10.0.0.0", want: OK },
      { assign: "s1", ip: "10.0.0.0", sharing: key("k"), want: OK },
      { assign: "s1", ip: "10.0.0.0", sharing: key("k2", 81, "app=x"), want: OK },
      { assign: "s1", ip: "10.0.0.0", want: OK },
    ],
  },
  {
    name: "equal keys, equal backends and other ports share",
    steps: [
      { pools: { a: ["10.0.0.0/32"] } },
      { assign: "s1", ip: "10.0.0.0", sharing: key("k", 80), want: OK },
      { assign: "s2", ip: "10.0.0.0", sharing: key("k", 81), want: OK },
      { assign: "s3", ip: "10.0.0.0", sharing: { ...key("k"), ports: ["UDP/80"] }, want: OK },
      { assign: "s4", ip: "10.0.0.0", sharing: key("k", 80), want: 'port TCP/80 is already in use on "10.0.0.0"' },
      { assign: "s4", ip: "10.0.0.0", sharing: key("other", 99), want: 'the sharing keys "other" and "k" differ' },
      { assign: "s4", ip: "10.0.0.0", sharing: key("k", 99, "app=x"), want: "don't send traffic to the same pods" },
      { assign: "s4", ip: "10.0.0.0", sharing: key("", 99), want: "s4 has no annotation metallb.io/allow-shared-ip" },
    ],
  },
  {
    name: "one of two that share can't change its key or take the other's port, and keeps what it has",
    steps: [
      { pools: { a: ["10.0.0.0/32"] } },
      { assign: "s1", ip: "10.0.0.0", sharing: key("k", 80), want: OK },
      { assign: "s2", ip: "10.0.0.0", sharing: key("k", 81), want: OK },
      { assign: "s2", ip: "10.0.0.0", sharing: key("k2", 81), want: "also in use by s1" },
      { assign: "s2", ip: "10.0.0.0", sharing: key("k", 80), want: "port TCP/80" },
      { assign: "s2", ip: "10.0.0.0", sharing: key("k", 82), want: OK },
      { assign: "s3", ip: "10.0.0.0", sharing: key("k", 81), want: OK },
      { release: "s1" },
      { release: "s3" },
      { assign: "s2", ip: "10.0.0.0", sharing: key("k2", 80), want: OK },
    ],
  },
  {
    name: "an address is free only when its last holder has left",
    steps: [
      { pools: { a: ["10.0.0.0/31"] } },
      { assign: "s1", ip: "10.0.0.0", sharing: key("k", 80), want: OK },
      { assign: "s2", ip: "10.0.0.0", sharing: key("k", 81), want: OK },
      { release: "s1" },
      { allocate: "s3", pool: "a", want: '["10.0.0.1"]' },
      { release: "s2" },
      { allocate: "s4", pool: "a", want: '["10.0.0.0"]' },
    ],
  },
  {
    name: "allocate() goes through the ranges in order, lowest first, and reuses what was freed",
    steps: [
      { pools: { a: ["10.0.0.8/31", "10.0.0.0-10.0.0.1"] } },
      { allocate: "s1", pool: "a", want: '["10.0.0.8"]' },
      { allocate: "s2", pool: "a", want: '["10.0.0.9"]' },
      { allocate: "s3", pool: "a", want: '["10.0.0.0"]' },
      { allocate: "s4", pool: "a", want: '["10.0.0.1"]' },
      { allocate: "s5", pool: "a", want: 'no available IPs in pool "a"' },
      { release: "s2" },
      { release: "s1" },
      { release: "nobody" },
      { allocate: "s5", pool: "a", want: '["10.0.0.8"]' },
      { allocate: "s6", pool: "a", want: '["10.0.0.9"]' },
      { allocate: "s7", pool: "a", want: 'no available IPs in pool "a"' },
    ],
  },
  {
    name: "allocate() jumps over addresses that were assigned",
    steps: [
      { pools: { a: ["10.0.0.0/30"] } },
      { assign: "s1", ip: "10.0.0.1", want: OK },
      { allocate: "s2", pool: "a", want: '["10.0.0.0"]' },
      { allocate: "s3", pool: "a", want: '["10.0.0.2"]' },
    ],
  },
  {
    name: "allocate() puts a Service on the lowest address it may share, free or held",
    steps: [
      { pools: { a: ["10.0.0.0/30"] } },
      { allocate: "s1", pool: "a", want: '["10.0.0.0"]' },
      { allocate: "s2", pool: "a", sharing: key("k", 80), want: '["10.0.0.1"]' },
      { allocate: "s3", pool: "a", sharing: key("k", 81), want: '["10.0.0.1"]' },
      { allocate: "s4", pool: "a", sharing: key("k", 80), want: '["10.0.0.2"]' },
      { allocate: "s5", pool: "a", sharing: key("k", 82), want: '["10.0.0.1"]' },
      { release: "s1" },
      { allocate: "s6", pool: "a", sharing: key("k", 83), want: '["10.0.0.0"]' },
    ],
  },
  {
    name: "avoidBuggyIPs keeps .0 and .255 from allocation and from explicit requests",
    steps: [
      { pools: { a: { addresses: ["10.0.0.254-10.0.1.1"], avoidBuggyIPs: true } } },
      { allocate: "s1", pool: "a", want: '["10.0.0.254"]' },
      { assign: "s2", ip: "10.0.0.255", want: "is not allowed in config" },
      { assign: "s2", ip: "10.0.1.0", want: "is not allowed in config" },
      { allocate: "s2", pool: "a", want: '["10.0.1.1"]' },
      { allocate: "s3", pool: "a", want: 'no available IPs in pool "a"' },
      { pools: { a: ["10.0.0.254-10.0.1.1"] } },
      { allocate: "s3", pool: "a", want: '["10.0.0.255"]' },
      { pools: { a: { addresses: ["10.0.0.254-10.0.1.1"], avoidBuggyIPs: true } } },
      { owner: "s3", holds: "" },
      { owner: "s1", holds: '["10.0.0.254"] a' },
    ],
  },
  {
    name: "both families come from one pool, all or nothing",
    steps: [
      { pools: { a: ["10.0.0.0/31", "fc00::/128"], four: ["10.1.0.0/32"], six: ["fc01::/128"] } },
      { allocate: "s1", pool: "a", families: ["ipv4", "ipv6"], want: '["10.0.0.0" "fc00::"]' },
      { allocate: "s2", pool: "a", families: ["ipv4", "ipv6"], want: 'no available IPs in pool "a"' },
      { allocate: "s2", pool: "a", want: '["10.0.0.1"]' },
      { release: "s2" },
      { assign: "s2", ip: "10.1.0.0,fc01::", want: "is not allowed in config: no IPAddressPool holds all of them" },
      { assign: "s2", ip: "10.0.0.1,fc00::", want: "also in use by s1" },
      { owner: "s2", holds: "" },
      { allocate: "s3", pool: "a", want: '["10.0.0.1"]' },
    ],
  },
  {
    name: "sharing is checked for each address of a dual-stack Service",
    steps: [
      { pools: { a: ["10.0.0.0/31", "fc00::/127"] } },
      { assign: "s1", ip: "10.0.0.0,fc00::", sharing: key("k", 80), want: OK },
      { assign: "s2", ip: "10.0.0.1,fc00::1", sharing: key("k", 81), want: OK },
      { assign: "s3", ip: "10.0.0.0,fc00::1", sharing: key("k", 82), want: OK },
      {
        assign: "s4",
        ip: "10.0.0.0,fc00::1",
        sharing: key("k", 81),
        want: 'port TCP/81 is already in use on "fc00::1"',
      },
    ],
  },
  {
    name: "setPools(): a reload, a longer and a renamed and a divided pool keep every claim",
    steps: [
      { pools: { a: ["10.0.0.0/30"] } },
      { assign: "s1", ip: "10.0.0.1", want: OK },
      { assign: "s2", ip: "10.0.0.3", want: OK },
      { pools: { a: ["10.0.0.0/30"] } },
      { owner: "s1", holds: '["10.0.0.1"] a' },
      { pools: { a: ["10.0.0.0/24"] } },
      { owner: "s1", holds: '["10.0.0.1"] a' },
      { pools: { b: ["10.0.0.0/24"] } },
      { owner: "s1", holds: '["10.0.0.1"] b' },
      { pools: { b: ["10.0.0.0/31"], c: ["10.0.0.2/31"] } },
      { owner: "s1", holds: '["10.0.0.1"] b' },
      { owner: "s2", holds: '["10.0.0.3"] c' },
      { allocate: "s3", pool: "c", want: '["10.0.0.2"]' },
      { allocate: "s4", pool: "c", want: 'no available IPs in pool "c"' },
    ],
  },
  {
    name: "setPools(): a pool shrunk past an address takes it away, and only that",
    steps: [
      { pools: { a: ["10.0.0.0/30"] } },
      { assign: "s1", ip: "10.0.0.1", want: OK },
      { assign: "s2", ip: "10.0.0.3", want: OK },
      { pools: { a: ["10.0.0.0/31"] } },
      { owner: "s1", holds: '["10.0.0.1"] a' },
      { owner: "s2", holds: "" },
      { pools: {} },
      { owner: "s1", holds: "" },
      { assign: "s1", ip: "10.0.0.1", want: "is not allowed in config" },
    ],
  },
  {
    name: "setPools(): a dual-stack claim whose families come apart is gone",
    steps: [
      { pools: { a: ["10.0.0.0/31", "fc00::/127"] } },
      { allocate: "s1", pool: "a", families: ["ipv4", "ipv6"], want: '["10.0.0.0" "fc00::"]' },
      { pools: { a: ["10.0.0.0/31"], b: ["fc00::/127"] } },
      { owner: "s1", holds: "" },
      { allocate: "s2", pool: "a", want: '["10.0.0.0"]' },
    ],
  },
  {
    name: "the first and last addresses of all can be held",
    steps: [
      { pools: { a: ["0.0.0.0/32"], z: ["255.255.255.255/32"] } },
      { allocate: "s1", pool: "a", want: '["0.0.0.0"]' },
      { allocate: "s2", pool: "z", want: '["255.255.255.255"]' },
      { allocate: "s3", pool: "z", want: 'no available IPs in pool "z"' },
    ],
  },
];

describe("Allocator", () => {
  test.each(cases)("$name", ({ steps }) => {
    const allocator = new Allocator();
    for (const step of steps) take(allocator, step);
  });

  test("extend() adds the other family of the same pool and keeps the first address", () => {
    const allocator = new Allocator();
    allocator.setPools(poolList({ a: ["10.0.0.0/31", "fc00::/128"], b: ["fc01::/128"] }));
    const extend = (owner: string, ip: string) => {
      allocator.assign(tenant(owner), [parseAddress(ip)]);
      return allocator.extend(allocator.claimOf(owner)!, "ipv6");
    };
    expect(extend("s1", "10.0.0.1")).toMatchObject({ ok: true });
    expect(printAddresses(allocator.claimOf("s1")!.addresses)).toBe('["10.0.0.1" "fc00::"]');
    expect(extend("s2", "10.0.0.0")).toEqual({ ok: false, why: 'no available IPs in pool "a"' });
    expect(printAddresses(allocator.claimOf("s2")!.addresses)).toBe('["10.0.0.0"]');
  });
});

describe("usage()", () => {
  const cases: { addresses: string[]; avoid?: true; ipv4: bigint; ipv6: bigint }[] = [
    { addresses: ["1.2.3.0/24"], ipv4: 256n, ipv6: 0n },
    { addresses: ["1.2.3.0/24", "2.3.4.128/25"], ipv4: 384n, ipv6: 0n },
    { addresses: ["1.2.3.0/24", "2.3.4.128/25"], avoid: true, ipv4: 381n, ipv6: 0n },
    { addresses: ["1.2.3.1-1.2.3.254"], avoid: true, ipv4: 254n, ipv6: 0n },
    { addresses: ["1.2.3.255/32"], avoid: true, ipv4: 0n, ipv6: 0n },
    { addresses: ["0.0.0.0/30"], avoid: true, ipv4: 3n, ipv6: 0n },
    { addresses: ["10.0.0.0/8"], avoid: true, ipv4: 2n ** 24n - 2n ** 17n, ipv6: 0n },
    { addresses: ["fc00::/120"], avoid: true, ipv4: 0n, ipv6: 256n },
    { addresses: ["10.0.0.0/30", "2001:db8::/32"], ipv4: 4n, ipv6: 2n ** 96n },
  ];
  test.each(cases)("$addresses avoid=$avoid", ({ addresses, avoid = false, ipv4, ipv6 }) => {
    const allocator = new Allocator();
    allocator.setPools(poolList({ a: { addresses, avoidBuggyIPs: avoid } }));
    expect(allocator.usage()).toEqual([
      { pool: "a", services: 0, ipv4: { total: ipv4, held: 0 }, ipv6: { total: ipv6, held: 0 } },
    ]);
  });

  test("counts a shared address once", () => {
    const allocator = new Allocator();
    allocator.setPools(poolList({ a: ["10.0.0.0/24"] }));
    for (const port of [80, 81, 82]) {
      allocator.assign(tenant(`s${port}`, key("k", port)), [parseAddress("10.0.0.7")]);
    }
    expect(allocator.usage()[0]?.ipv4).toEqual({ total: 256n, held: 1 });
  });
});

test("allocate() costs the same in a /8 and a /64 as in a /16: 5,000 Services at once", () => {
  for (const range of ["10.0.0.0/16", "10.0.0.0/8", "fc00::/64"]) {
    const allocator = new Allocator();
    allocator.setPools(poolList({ a: [range] }));
    const family: Family = range.includes(":") ? "ipv6" : "ipv4";
    const started = performance.now();
    for (let i = 0; i < 5000; i++) allocator.allocate(tenant(`s${i}`), allocator.pools[0]!, [family]);
    expect(allocator.usage()[0]?.[family].held).toBe(5000);
    expect(performance.now() - started).toBeLessThan(1000); // about 10 ms; a scan from the start takes 60 times that
  }
});
