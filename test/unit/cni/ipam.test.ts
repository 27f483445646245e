import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Ipam } from "../../../cni/ipam.ts";
import { LeaseStore } from "../../../cni/lease-store.ts";
import { planSlices } from "../../../cni/pod-ranges.ts";
import { explainError, hasCode } from "../../../core/mod.ts";
import { parseAddress, parsePrefix, parseRange, prefixContains, printAddress } from "../../../net/mod.ts";

let directory = "";
let open: LeaseStore[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "ib-ipam-"));
});
afterEach(() => {
  for (const store of open) store.close();
  open = [];
  rmSync(directory, { recursive: true });
});

function openStore(bootId = "boot-1"): LeaseStore {
  const store = new LeaseStore(join(directory, "a.db"), bootId);
  open.push(store);
  return store;
}

function closeAll(): void {
  for (const store of open) store.close();
  open = [];
}

function openIpam(prefixes = ["10.0.0.0/29"], bootId = "boot-1"): Ipam {
  const ipam = new Ipam(openStore(bootId));
  ipam.setNetwork({ prefixes: prefixes.map(parsePrefix), addresses: [] });
  return ipam;
}

const lease = (containerId: string, ifname = "eth0") => ({
  key: { containerId, ifname },
  network: "ironbridge",
  hostPorts: [],
  netns: `/run/netns/${containerId}`,
});
const reserve = (ipam: Ipam, id: string, ifname?: string) =>
  ipam.reserve(lease(id, ifname)).map(({ address }) => printAddress(address));

describe("Ipam", () => {
  test("gives one address per family, with its gateway", () => {
    const ipam = openIpam(["10.0.0.0/24", "fd00::/64"]);
    const addresses = ipam.reserve(lease("a"));
    expect(
      addresses.map(({ address, gateway, length }) => [printAddress(address), printAddress(gateway), length]),
    ).toEqual([
      ["10.0.0.2", "10.0.0.1", 24],
      ["fd00::2", "fd00::1", 64],
    ]);
  });

  test("refuses the same interface twice and gives another interface another address", () => {
    const ipam = openIpam();
    reserve(ipam, "a");
    expect(() => reserve(ipam, "a")).toThrow("has an interface eth0 already");
    expect(reserve(ipam, "a", "eth1")).toEqual(["10.0.0.3"]);
    ipam.release({ containerId: "a", ifname: "eth0" });
    expect(ipam.get({ containerId: "a", ifname: "eth1" })).toBeDefined();
  });

  test("gives addresses of the prefixes asked for only", () => {
    const ipam = openIpam(["10.0.0.0/24", "fd00::/64"]);
    const from = (id: string, subnets: readonly string[], ranges: readonly string[] = [], addresses: string[] = []) =>
      ipam
        .reserve(lease(id), {
          subnets: subnets.map(parsePrefix),
          ranges: ranges.map(parseRange),
          addresses: addresses.map(parseAddress),
        })
        .map(({ address }) => printAddress(address));
    expect(from("a", ["fd00::/64"])).toEqual(["fd00::2"]);
    expect(from("b", ["fd00::/64", "10.0.0.0/24"], ["10.0.0.9-10.0.0.9"])).toEqual(["fd00::3", "10.0.0.9"]);
    expect(() => from("c", ["10.0.0.0/24"], ["10.0.0.9-10.0.0.9"])).toThrow("all addresses of 10.0.0.9-10.0.0.9");
    const foreign = "subnet 10.0.0.0/25 is none of the node's pod prefixes 10.0.0.0/24, fd00::/64";
    expect(() => from("d", ["10.0.0.0/25"])).toThrow(foreign);
    expect(() => from("e", ["fd00::/64"], [], ["10.0.0.50"])).toThrow("address 10.0.0.50 is not in");
    expect(ipam.list().map(({ key }) => key.containerId)).toEqual(["a", "b"]);
  });

  test("names the prefix that is full and takes back the address of the other family", () => {
    const ipam = openIpam(["10.0.0.0/24", "fd00::/127"]);
    expect(() => reserve(ipam, "a")).toThrow("fd00::/127");
    expect(ipam.usage()[0]?.used).toBe(0);
    expect(ipam.full()).toEqual(["fd00::/127"]);
  });

  test("remembers leases, their pods and the order of freeing over a restart", () => {
    const before = openIpam();
    for (const id of ["a", "b", "c", "d", "e"]) reserve(before, id);
    for (const id of ["d", "b"]) before.release(lease(id).key);
    before.complete(lease("a").key);
    closeAll();
    const after = openIpam();
    expect(after.list().map(({ key, complete }) => [key.containerId, complete])).toEqual([
      ["a", true],
      ["c", false],
      ["e", false],
    ]);
    expect(reserve(after, "f")).toEqual(["10.0.0.5"]);
    expect(reserve(after, "g")).toEqual(["10.0.0.3"]);
    expect(() => reserve(after, "h")).toThrow("all 5 addresses of 10.0.0.0/29");
  });

  test("forgets the pods of an earlier boot", () => {
    const before = openIpam();
    reserve(before, "a");
    closeAll();
    const after = openIpam(["10.0.0.0/29"], "boot-2");
    expect(after.list()).toEqual([]);
    expect(reserve(after, "a")).toEqual(["10.0.0.3"]);
  });

  test("keeps the addresses of pods when the node gets another prefix", () => {
    const ipam = openIpam();
    reserve(ipam, "a");
    ipam.setNetwork({ prefixes: [parsePrefix("10.9.0.0/24")], addresses: [] });
    expect(reserve(ipam, "b")).toEqual(["10.9.0.2"]);
    expect(ipam.get(lease("a").key)?.addresses.map(printAddress)).toEqual(["10.0.0.2"]);
    ipam.release(lease("a").key);
    expect(ipam.list()).toHaveLength(1);
  });

  test("never has two owners for one address, loses none, and a restart changes nothing", () => {
    const action = fc.record({
      verb: fc.constantFrom("add", "del", "restart"),
      id: fc.nat({ max: 8 }).map((n) => `c${n}`),
    });
    fc.assert(
      fc.property(fc.array(action, { maxLength: 40 }), (actions) => {
        let ipam = openIpam();
        const owners = new Map<string, string>();
        for (const { verb, id } of actions) {
          if (verb === "restart") {
            closeAll();
            ipam = openIpam();
          } else if (verb === "del") {
            ipam.release(lease(id).key);
            owners.delete(id);
          } else if (!owners.has(id) && owners.size < 5) {
            const [address] = reserve(ipam, id);
            expect([...owners.values()]).not.toContain(address);
            owners.set(id, address!);
          } else {
            expect(() => reserve(ipam, id)).toThrow();
          }
          expect(ipam.usage()[0]?.used).toBe(owners.size);
        }
        expect(
          new Map(ipam.list().map(({ key, addresses }) => [key.containerId, printAddress(addresses[0]!)])),
        ).toEqual(owners);
        closeAll();
        rmSync(join(directory, "a.db"), { force: true });
      }),
      { numRuns: 60 },
    );
  });
});

describe("Ipam.reserve() with a wish", () => {
  const ipam = () => openIpam(["10.0.0.0/24", "fd00::/64"]);
  const wish = (addresses: readonly string[], ranges: readonly string[] = []) => ({
    addresses: addresses.map(parseAddress),
    ranges: ranges.map(parseRange),
  });
  const given = (on: Ipam, id: string, wanted: ReturnType<typeof wish>) =>
    on.reserve(lease(id), wanted).map(({ address }) => printAddress(address));

  test("gives the addresses asked for, in any order, and any of the other family", () => {
    const on = ipam();
    expect(given(on, "a", wish(["fd00::77", "10.0.0.9"]))).toEqual(["10.0.0.9", "fd00::77"]);
    expect(given(on, "b", wish(["10.0.0.20"]))).toEqual(["10.0.0.20", "fd00::2"]);
  });

  test("gives addresses of a range, freed ones last, until it is full", () => {
    const on = ipam();
    const range = wish([], ["10.0.0.40-10.0.0.41"]);
    expect(given(on, "a", range)[0]).toBe("10.0.0.40");
    on.release(lease("a").key);
    expect(given(on, "b", range)[0]).toBe("10.0.0.41");
    expect(given(on, "c", range)[0]).toBe("10.0.0.40");
    expect(() => given(on, "d", range)).toThrow("all addresses of 10.0.0.40-10.0.0.41 are in use");
    expect(on.usage().map(({ used }) => used)).toEqual([2, 2]);
  });

  const refusals = [
    { name: "one of another network", addresses: ["192.0.2.1"], says: "192.0.2.1 is not in the node's pod prefixes" },
    { name: "the gateway", addresses: ["10.0.0.1"], says: "10.0.0.1 is in use or reserved" },
    { name: "the broadcast", addresses: ["10.0.0.255"], says: "10.0.0.255 is in use or reserved" },
    { name: "one in use", addresses: ["10.0.0.2"], says: "10.0.0.2 is in use or reserved" },
    { name: "two of a family", addresses: ["10.0.0.7", "10.0.0.8"], says: "10.0.0.8 is the second one asked for" },
  ];
  test.each(refusals)("refuses $name and takes nothing", ({ addresses, says }) => {
    const on = ipam();
    given(on, "first", wish([]));
    expect(() => given(on, "b", wish(addresses))).toThrow(says);
    expect(on.usage().map(({ used }) => used)).toEqual([1, 1]);
  });
});

describe("Ipam with slices of Namespaces", () => {
  const NODE = ["10.0.0.0/24", "fd00::/64"];
  /** @param claims Annotations by Namespace; changed in place, with claimsChanged(). */
  const openSliced = (claims: Readonly<Record<string, string>>, prefixes = NODE): Ipam => {
    const list = () => Object.entries(claims).map(([namespace, value]) => ({ namespace, value }));
    const ipam = new Ipam(openStore(), list);
    ipam.setNetwork({ prefixes: prefixes.map(parsePrefix), addresses: [] });
    return ipam;
  };
  const inNamespace = (id: string, namespace: string) => ({ ...lease(id), pod: { namespace, name: id, uid: "" } });
  const given = (on: Ipam, id: string, namespace: string) =>
    on.reserve(inNamespace(id, namespace)).map(({ address }) => printAddress(address));

  test("refuses pods of a Namespace whose claim is wrong, by its words, and nobody else", () => {
    const ipam = openSliced({ shop: "0.0.0.64/26", bank: "0.0.0.64/27,::40/122" });
    const says = expect.objectContaining({
      code: 103,
      message: expect.stringContaining("of Namespace bank: 0.0.0.64/27"),
    });
    expect(() => given(ipam, "a", "bank")).toThrow(says);
    expect(given(ipam, "b", "shop")).toEqual(["10.0.0.64", "fd00::2"]);
    expect(given(ipam, "c", "other")).toEqual(["10.0.0.2", "fd00::3"]);
    expect(ipam.list().map(({ key }) => key.containerId)).toEqual(["b", "c"]);
  });

  test("names a Namespace's slice that is full and takes back the address of the other family", () => {
    const ipam = openSliced({ shop: "::40/128" });
    given(ipam, "a", "shop");
    expect(() => given(ipam, "b", "shop")).toThrow("all addresses of fd00::40/128, where pods of Namespace shop");
    expect(ipam.usage().map(({ used }) => used)).toEqual([1, 1]);
    expect(ipam.full()).toEqual([]);
  });

  test("is full when pods of other Namespaces get nothing, whatever is left in slices", () => {
    const ipam = openSliced({ shop: "0.0.0.4/30" }, ["10.0.0.0/29"]);
    given(ipam, "a", "other");
    expect(ipam.full()).toEqual([]);
    given(ipam, "b", "other");
    expect(ipam.full()).toEqual(["10.0.0.0/29 beside what Namespaces claim"]);
    expect(given(ipam, "c", "shop")).toEqual(["10.0.0.4"]);
  });

  test("leaves pods their addresses when the claims change, and gives them to nobody else", () => {
    const claims: Record<string, string> = { shop: "0.0.0.4/30" };
    const ipam = openSliced(claims, ["10.0.0.0/28"]);
    expect([given(ipam, "a", "shop"), given(ipam, "b", "other")]).toEqual([["10.0.0.4"], ["10.0.0.2"]]);
    Object.assign(claims, { shop: "0.0.0.8/30", bank: "0.0.0.0/29" });
    expect(given(ipam, "c", "shop")).toEqual(["10.0.0.5"]); // nobody has said yet that they changed
    ipam.claimsChanged();
    expect(given(ipam, "d", "shop")).toEqual(["10.0.0.8"]);
    expect(["e", "f", "g"].map((id) => given(ipam, id, "bank")[0])).toEqual(["10.0.0.3", "10.0.0.6", "10.0.0.7"]);
    expect(() => given(ipam, "h", "bank")).toThrow("all addresses of 10.0.0.0/29");
    ipam.release(lease("b").key);
    expect(given(ipam, "h", "bank")).toEqual(["10.0.0.2"]);
    expect(ipam.usage()[0]).toMatchObject({ used: 7, capacity: 13 });
  });

  test("never gives an address of another Namespace's slice, nor one that has an owner, nor fails while one is free", () => {
    const NAMESPACES = ["shop", "bank", "other"];
    const CLAIMS = ["", "0.0.0.0/30", "0.0.0.4/30", "0.0.0.4/31,0.0.0.12/31", "0.0.0.8/29", "0.0.0.0/28", "x"];
    const action = fc.oneof(
      fc.record({ verb: fc.constant("add"), id: fc.nat({ max: 15 }), namespace: fc.constantFrom(...NAMESPACES) }),
      fc.record({ verb: fc.constant("del"), id: fc.nat({ max: 15 }), namespace: fc.constant("") }),
      fc.record({
        verb: fc.constant("claim"),
        id: fc.nat({ max: CLAIMS.length - 1 }),
        namespace: fc.constantFrom("shop", "bank"),
      }),
    );
    fc.assert(
      fc.property(fc.array(action, { maxLength: 40 }), (actions) => {
        const claims: Record<string, string> = { shop: "", bank: "" };
        const ipam = openSliced(claims, ["10.0.0.0/28"]);
        const owners = new Map<string, bigint>();
        for (const { verb, id, namespace } of actions) {
          const name = `c${id}`;
          if (verb === "claim") {
            claims[namespace] = CLAIMS[id]!;
            ipam.claimsChanged();
          } else if (verb === "del") {
            ipam.release(lease(name).key);
            owners.delete(name);
          } else if (!owners.has(name)) {
            const plan = planSlices(
              Object.entries(claims).map(([each, value]) => ({ namespace: each, value })),
              [parsePrefix("10.0.0.0/28")],
            );
            /** What the rules allow, found the long way: address by address. */
            const allowed = [...Array(13).keys()]
              .map((n) => parseAddress(`10.0.0.${n + 2}`))
              .filter((address) => {
                const slice = plan.slices.find(({ prefix }) => prefixContains(prefix, address));
                const claiming = plan.slices.some(({ namespaces }) => namespaces.includes(namespace));
                return slice === undefined ? !claiming : slice.namespaces.includes(namespace);
              })
              .map(({ value }) => value)
              .filter((value) => ![...owners.values()].includes(value));
            if (allowed.length === 0 || plan.problems.has(namespace)) {
              expect(() => given(ipam, name, namespace)).toThrow();
            } else {
              const { value } = parseAddress(given(ipam, name, namespace)[0]!);
              expect(allowed).toContain(value);
              owners.set(name, value);
            }
          }
          expect(ipam.usage()[0]?.used).toBe(owners.size);
        }
        closeAll();
        rmSync(join(directory, "a.db"), { force: true });
      }),
      { numRuns: 60 },
    );
  });
});

describe("LeaseStore", () => {
  test("refuses an address that has an owner, whatever the caller believes", () => {
    const store = openStore();
    const addresses = [{ family: "ipv4", value: 1n } as const];
    store.insert({ ...lease("a"), addresses });
    expect(() => store.insert({ ...lease("b"), addresses })).toThrow("UNIQUE");
    expect(store.get(lease("b").key)).toBeUndefined();
  });

  test("keeps the pod's name, and since when it is written down", () => {
    const store = openStore();
    const pod = { namespace: "shop", name: "web-0", uid: "u1" };
    store.insert({ ...lease("a"), pod, addresses: [] });
    const since = expect.toSatisfy((text) => Math.abs(Date.parse(text) - Date.now()) < 60_000);
    expect(store.get(lease("a").key)).toEqual({ ...lease("a"), pod, addresses: [], complete: false, since });
  });

  test("keeps host ports, limits and MTU over a restart, and takes over a store of the first version", () => {
    const before = openStore();
    const hostPorts = [
      { protocol: "udp", hostPort: 53, containerPort: 5353, hostAddress: parseAddress("192.0.2.1") } as const,
      { protocol: "tcp", hostPort: 80, containerPort: 8080 } as const,
    ];
    const bandwidth = { egress: { rate: 1e6, burst: 1e5 } };
    before.insert({ ...lease("a"), hostPorts, bandwidth, mtu: 1300, addresses: [] });
    closeAll();
    expect(openStore().get(lease("a").key)).toMatchObject({ hostPorts, bandwidth, mtu: 1300 });
    closeAll();
    const file = new DatabaseSync(join(directory, "a.db"));
    file.exec(
      "ALTER TABLE attachment DROP COLUMN extras; ALTER TABLE attachment DROP COLUMN since; PRAGMA user_version = 1",
    );
    file.close();
    expect(openStore().get(lease("a").key)).toEqual({ ...lease("a"), addresses: [], complete: false });
  });

  test("says which file is damaged", () => {
    writeFileSync(join(directory, "a.db"), "this is no database, but long enough to be taken for one".repeat(20));
    expect(() => openStore()).toThrow(expect.toSatisfy((error) => hasCode(error, "IB_STORE_BROKEN")));
  });

  test("lets only one agent in", { timeout: 10_000 }, () => {
    openStore();
    expect(() => openStore()).toThrow(expect.toSatisfy((error) => explainError(error).includes("locked")));
  });
});
