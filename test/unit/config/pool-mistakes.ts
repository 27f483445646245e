import type { ConfigObjects, IPAddressPool, L2Advertisement } from "../../../config/mod.ts";

/** A pool as YAML would give it, mistakes included: the type is what the API server promises, not what it holds. */
export function pool(name: string, spec: unknown, metadata: IPAddressPool["metadata"] = {}): IPAddressPool {
  return { metadata: { name, namespace: "metallb-system", ...metadata }, spec: spec as IPAddressPool["spec"] };
}

export function advert(name: string, spec: unknown): L2Advertisement {
  const metadata = { name, namespace: "metallb-system" };
  return spec === undefined ? { metadata } : { metadata, spec: spec as NonNullable<L2Advertisement["spec"]> };
}

const selectors = [{ matchLabels: { a: "b" } }, { matchLabels: { a: "b" } }];
const expression = (operator: string, values?: string[]) => [{ matchExpressions: [{ key: "a", operator, values }] }];

/** Objects of which the one named "bad" has a mistake, alone or beside the others. */
export const REFUSED: readonly ({ readonly name: string } & Partial<ConfigObjects>)[] = [
  { name: "a pool without a spec", pools: [pool("bad", undefined)] },
  { name: "a pool without addresses", pools: [pool("bad", {})] },
  { name: "a pool with an empty list", pools: [pool("bad", { addresses: [] })] },
  { name: "a bare IPv4 address", pools: [pool("bad", { addresses: ["192.168.1.5"] })] },
  { name: "a bare IPv6 address", pools: [pool("bad", { addresses: ["fc00::5"] })] },
  { name: "a range backwards", pools: [pool("bad", { addresses: ["192.168.1.9-192.168.1.1"] })] },
  { name: "a range of two families", pools: [pool("bad", { addresses: ["192.168.1.1-fc00::1"] })] },
  { name: "a range with three ends", pools: [pool("bad", { addresses: ["10.0.0.1-10.0.0.2-10.0.0.3"] })] },
  { name: "a prefix too long", pools: [pool("bad", { addresses: ["10.0.0.0/33"] })] },
  { name: "no address at all", pools: [pool("bad", { addresses: ["my pool"] })] },
  { name: "an empty text", pools: [pool("bad", { addresses: [""] })] },
  { name: "a wrong type", pools: [pool("bad", { addresses: ["10.0.0.0/24"], autoAssign: "yes" })] },
  { name: "a list that is a text", pools: [pool("bad", { addresses: "10.0.0.0/24" })] },
  {
    name: "a fraction as priority",
    pools: [pool("bad", { addresses: ["10.0.0.0/24"], serviceAllocation: { priority: 1.5 } })],
  },
  {
    name: "a namespace twice",
    pools: [pool("bad", { addresses: ["10.0.0.0/24"], serviceAllocation: { namespaces: ["x", "y", "x"] } })],
  },
  {
    name: "a namespace selector twice",
    pools: [pool("bad", { addresses: ["10.0.0.0/24"], serviceAllocation: { namespaceSelectors: selectors } })],
  },
  {
    name: "a Service selector twice",
    pools: [pool("bad", { addresses: ["10.0.0.0/24"], serviceAllocation: { serviceSelectors: selectors } })],
  },
  {
    name: "an exclude that is no address",
    pools: [pool("bad", { addresses: ["10.0.0.0/24"], excludes: ["gateway"] })],
  },
  { name: "ranges of one pool that overlap", pools: [pool("bad", { addresses: ["10.0.0.0/24", "10.0.0.9/32"] })] },
  {
    name: "the younger of two pools that overlap",
    pools: [
      pool("bad", { addresses: ["192.168.1.120-192.168.1.160"] }, { creationTimestamp: "2026-01-02T00:00:00Z" }),
      pool("old", { addresses: ["192.168.1.100-192.168.1.150"] }, { creationTimestamp: "2026-01-01T00:00:00Z" }),
    ],
  },
  {
    name: "the later by name of two pools of one age that overlap",
    pools: [pool("bad", { addresses: ["10.0.0.0/8"] }), pool("a", { addresses: ["10.1.0.0/16"] })],
  },
  {
    name: "a pool named as an older one of another namespace",
    pools: [
      pool("bad", { addresses: ["10.0.0.0/24"] }, { namespace: "a" }),
      pool("bad", { addresses: ["10.0.1.0/24"] }, { namespace: "b" }),
    ],
  },
  {
    name: "a pool inside an older one, and one around it",
    pools: [
      pool("bad", { addresses: ["fc00::8/125", "fd00::/8"] }, { creationTimestamp: "2026-01-02T00:00:00Z" }),
      pool("old", { addresses: ["fc00::/120", "fd00::/64"] }, { creationTimestamp: "2026-01-01T00:00:00Z" }),
    ],
  },
  {
    name: "every mistake of a pool at once",
    pools: [pool("bad", { addresses: ["10.0.0.9-10.0.0.1", "x"], avoidBuggyIPs: 1 })],
  },
  {
    name: "every mistake of a pool that the API server does not see",
    pools: [
      pool("bad", {
        addresses: ["10.0.0.9-10.0.0.1", "10.0.0.5"],
        excludes: ["gateway"],
        serviceAllocation: { namespaces: ["x", "x"] },
      }),
    ],
  },
  {
    name: "an advertisement that names a pool twice",
    l2Advertisements: [advert("bad", { ipAddressPools: ["a", "a"] })],
  },
  { name: "a pool selector twice", l2Advertisements: [advert("bad", { ipAddressPoolSelectors: selectors })] },
  {
    name: "a Service selector of an advertisement twice",
    l2Advertisements: [advert("bad", { serviceSelectors: selectors })],
  },
  { name: "an interface twice", l2Advertisements: [advert("bad", { interfaces: ["eth0", "eth0"] })] },
  { name: "a pattern of interfaces that is none", l2Advertisements: [advert("bad", { interfaces: ["eth0", "/(/"] })] },
  { name: "an interface without a name", l2Advertisements: [advert("bad", { interfaces: [""] })] },
  { name: "a node selector twice", l2Advertisements: [advert("bad", { nodeSelectors: selectors })] },
  {
    name: "a requirement without a key",
    l2Advertisements: [advert("bad", { nodeSelectors: [{ matchExpressions: [{ key: "", operator: "Exists" }] }] })],
  },
  { name: "an operator not known", l2Advertisements: [advert("bad", { nodeSelectors: expression("Equals", ["b"]) })] },
  { name: "In without values", l2Advertisements: [advert("bad", { nodeSelectors: expression("In") })] },
  { name: "Exists with values", l2Advertisements: [advert("bad", { nodeSelectors: expression("Exists", ["b"]) })] },
  {
    name: "a value twice",
    l2Advertisements: [advert("bad", { ipAddressPoolSelectors: expression("In", ["b", "b"]) })],
  },
  {
    name: "a requirement twice",
    l2Advertisements: [
      advert("bad", {
        serviceSelectors: [
          {
            matchExpressions: [
              { key: "a", operator: "Exists" },
              { key: "a", operator: "Exists" },
            ],
          },
        ],
      }),
    ],
  },
  {
    name: "a weight out of its bounds",
    l2Advertisements: [
      advert("bad", {
        preferredNodeSelectors: [
          { weight: 0, preference: {} },
          { weight: 101, preference: {} },
        ],
      }),
    ],
  },
];
