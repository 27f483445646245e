import { readdirSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hasCode } from "../../core/mod.ts";
import { encodeFilter } from "../../linux/bpf.ts";
import { attachFilter } from "../../linux/libc.ts";
import { withoutLinks } from "../../linux/link-name-filter.ts";
import {
  exec,
  hasErrno,
  linkExists,
  type Netns,
  openRtnetlink,
  ROUTE_PROTOCOL,
  type Rtnetlink,
  type RtnetlinkTopic,
  runInNetns,
  watchLinkRemovals,
  watchRtnetlink,
} from "../../linux/mod.ts";
import { NETLINK_ROUTE } from "../../linux/netlink-message.ts";
import { openNetlinkInbox } from "../../linux/netlink-socket.ts";
import { decodeLink } from "../../linux/rtnetlink-link.ts";
import { parseAddress, parseMac, parsePrefix, printAddress, sameAddress } from "../../net/mod.ts";
import { waitFor } from "../support/wait.ts";
import { createNamespaces } from "./support/linux-namespaces.ts";

let a: Netns;
let b: Netns;
let remove: () => Promise<void>;
let host: Rtnetlink;
let pod: Rtnetlink;

beforeAll(async () => {
  ({ a, b, remove } = await createNamespaces());
  host = openRtnetlink(a);
  pod = openRtnetlink(b);
});
afterAll(async () => {
  host.close();
  pod.close();
  await remove();
});

const BRIDGE_MAC = parseMac("02:00:00:00:00:01");
const POD_MAC = parseMac("02:00:00:00:00:02");

/** A bridge in `a` with one veth port whose other end is eth0 in `b`; all up. */
function connect(): { bridge: number; port: number; eth0: number } {
  const bridge = host.createBridge({ name: "br0", mac: BRIDGE_MAC, mtu: 1450 });
  const peer = { name: "eth0", netns: b, mac: POD_MAC };
  const { index: port, peer: eth0 = 0 } = host.createVeth({ name: "veth0", mtu: 1450, master: bridge, peer });
  host.setLink(bridge, { up: true });
  host.setLink(port, { up: true, hairpin: true });
  pod.setLink(eth0, { up: true });
  return { bridge, port, eth0 };
}

describe("links", () => {
  test("createVeth() makes both ends at once, the peer in its namespace, and tells of both", async () => {
    const { bridge, port, eth0 } = connect();
    expect(host.link("veth0")).toMatchObject({ index: port, mtu: 1450, up: true, master: bridge, kind: "veth" });
    expect(pod.link("eth0")).toMatchObject({ index: eth0, mac: POD_MAC, mtu: 1450, up: true, carrier: true });
    expect(host.link("br0")).toMatchObject({ mac: BRIDGE_MAC, kind: "bridge", broadcast: true, loopback: false });
    expect(await exec("bridge", ["-d", "link", "show", "dev", "veth0"], { netns: a })).toContain("hairpin on");
    host.deleteLink(port);
    expect(pod.link("eth0")).toBeUndefined();
    host.deleteLink(bridge);
  });

  test("setLink() changes state, MTU, master and hairpin", async () => {
    const { bridge, port } = connect();
    host.setLink(port, { hairpin: false, mtu: 1400, up: false });
    expect(host.link("veth0")).toMatchObject({ mtu: 1400, up: false, master: bridge });
    expect(await exec("bridge", ["-d", "link", "show", "dev", "veth0"], { netns: a })).toContain("hairpin off");
    host.setLink(port, { master: 0 });
    expect(host.link("veth0")).not.toHaveProperty("master");
    host.setLink(port, { master: bridge, hairpin: true });
    expect(await exec("bridge", ["-d", "link", "show", "dev", "veth0"], { netns: a })).toContain("hairpin on");
    host.deleteLink(bridge);
    host.deleteLink(port);
  });

  test("deleteLinks() removes several by name; those that are gone are no error", async () => {
    for (const name of ["va", "vb"]) {
      host.createVeth({ name, mtu: 1500, peer: { name, netns: b } });
    }
    await host.deleteLinks(["va", "nothing", "vb"]);
    expect([host.link("va"), host.link("vb"), pod.link("va")]).toEqual([undefined, undefined, undefined]);
    await host.deleteLinks(["va"]);
    await host.deleteLinks(Array.from({ length: 1000 }, (_, i) => `gone${i}`)); // more answers than a socket holds
    await expect(host.deleteLinks(["lo"])).rejects.toThrow("EOPNOTSUPP");
    await exec("ip", ["link", "set", "lo", "group", "default"], { netns: a }); // else it would spoil all later removals
  });

  test("links() lists loopback and a missing link is undefined", () => {
    expect(host.links().find(({ index }) => index === 1)).toMatchObject({ name: "lo", loopback: true });
    expect(host.link("nothing")).toBeUndefined();
  });

  test("bringUp() adds addresses and sets links up, and says what was refused", () => {
    const { index, peer = 0 } = host.createVeth({ name: "veth9", mtu: 1500, peer: { name: "eth9", netns: b } });
    host.setLink(index, { up: true });
    const addresses = ["10.9.0.2", "fd00:9::2"].map((text) => ({
      ifindex: peer,
      address: parseAddress(text),
      length: 24,
    }));
    pod.bringUp([1, peer], addresses);
    expect([pod.link("lo")?.up, pod.link("eth9")?.up]).toEqual([true, true]);
    const present = pod.addresses().map(({ address }) => printAddress(address));
    expect(present).toEqual(expect.arrayContaining(["127.0.0.1", "10.9.0.2", "fd00:9::2"]));
    expect(() => pod.bringUp([1], addresses)).toThrow("add address 10.9.0.2/24 on the link of index");
    expect(() => pod.bringUp([9999], [])).toThrow("the link of index 9999 from making an IPv6 address: ENODEV");
    expect(pod.link("lo")?.up).toBe(true); // the answers are those of the next request again
    host.deleteLink(index);
  });

  test("bringUp() keeps a link without an IPv6 address silent in IPv6", async () => {
    const peers = ["8", "9"].map((n) => {
      return host.createVeth({ name: `veth${n}`, mtu: 1500, peer: { name: `eth${n}`, netns: b } });
    });
    const [four = 0, six = 0] = peers.map(({ peer }) => peer);
    pod.bringUp([1, four], [{ ifindex: four, address: parseAddress("10.9.0.2"), length: 24 }]);
    pod.bringUp([six], [{ ifindex: six, address: parseAddress("fd00:9::2"), length: 64 }]);
    const modeOf = async (name: string) =>
      /addrgenmode (\w+)/.exec(await exec("ip", ["-d", "link", "show", name], { netns: b }))?.[1];
    expect(await Promise.all(["eth8", "eth9", "lo"].map(modeOf))).toEqual(["none", "eui64", "eui64"]);
    for (const { index } of peers) host.deleteLink(index);
  });

  test("a link outside of a bridge can't be a hairpin port", () => {
    const { index } = host.createVeth({ name: "veth9", mtu: 1500, peer: { name: "eth9", netns: b } });
    expect(() => host.setLink(index, { up: true, hairpin: true })).toThrow("hairpin on");
    expect(host.link("veth9")?.up).toBe(false);
    host.deleteLink(index);
  });
});

describe("refusals", () => {
  test.each([
    {
      name: "a name in use",
      act: () => host.createVeth({ name: "lo", mtu: 1500, peer: { name: "x", netns: b } }),
      words: "create veth lo with peer x: EEXIST (file exists)",
      errno: "EEXIST",
    },
    {
      name: "a link that is not there",
      act: () => host.deleteLink(9999),
      words: "delete the link of index 9999: ENODEV (no such device)",
      errno: "ENODEV",
    },
    {
      name: "a gateway no link leads to, with the kernel's own words",
      act: () => host.replaceRoute(route("10.60.0.0/16", "203.0.113.1")),
      words: "set route 10.60.0.0/16: ENETUNREACH (network is unreachable): Nexthop has invalid gateway",
      errno: "ENETUNREACH",
    },
  ])("$name", ({ act, words, errno }) => {
    const refused = (error: unknown) => hasCode(error, "IB_KERNEL_REFUSED") && hasErrno(error, errno);
    expect(act).toThrow(expect.toSatisfy(refused));
    expect(act).toThrow(words);
  });
});

function route(destination: string, gateway: string) {
  return { destination: parsePrefix(destination), gateway: parseAddress(gateway), protocol: ROUTE_PROTOCOL };
}

describe("addresses, routes and neighbours", () => {
  let links: ReturnType<typeof connect>;
  beforeAll(() => {
    links = connect();
  });
  afterAll(() => {
    host.deleteLink(links.port);
    host.deleteLink(links.bridge);
  });

  const here = (text: string, length: number) => ({ ifindex: links.eth0, address: parseAddress(text), length });

  test("addAddress() adds both families, IPv6 usable at once, and twice is fine", async () => {
    for (const address of [here("10.9.0.2", 24), here("fd00:9::2", 64)]) {
      pod.addAddress(address);
      pod.addAddress(address);
      expect(pod.addresses()).toContainEqual(address);
    }
    expect(await exec("ip", ["-6", "addr", "show", "dev", "eth0"], { netns: b })).toMatch(/fd00:9::2.*nodad/);
    expect(await exec("ip", ["-6", "addr", "show", "dev", "eth0"], { netns: b })).not.toMatch(/fd00:9::2.*tentative/);
  });

  test("deleteAddress() removes it, and refuses what is not there", () => {
    const address = here("10.9.1.2", 24);
    pod.addAddress(address);
    pod.deleteAddress(address);
    expect(pod.addresses()).not.toContainEqual(address);
    expect(() => pod.deleteAddress(address)).toThrow(/delete address 10\.9\.1\.2\/24 .*EADDRNOTAVAIL/);
  });

  test.each([
    { destination: "10.70.0.0/16", gateways: ["10.9.0.1", "10.9.0.3"] },
    { destination: "0.0.0.0/0", gateways: ["10.9.0.1", "10.9.0.3"] },
    { destination: "10.70.0.0/16", gateways: ["10.9.0.1", "fe80::3", "fd00:9::3"] },
    { destination: "fd00:70::/64", gateways: ["fd00:9::1", "fd00:9::3"] },
    { destination: "::/0", gateways: ["fd00:9::1", "fd00:9::3"] },
  ])("replaceRoute() makes, replaces and deleteRoute() removes $destination", ({ destination, gateways }) => {
    const gatewaysNow = () =>
      pod
        .routes()
        .filter((found) => found.protocol === ROUTE_PROTOCOL)
        .map((found) => found.gateway);
    for (const gateway of gateways) {
      pod.replaceRoute({ ...route(destination, gateway), ifindex: links.eth0 });
      expect(gatewaysNow()).toEqual([parseAddress(gateway)]);
    }
    const last = { ...route(destination, gateways.at(-1)!), ifindex: links.eth0 };
    pod.deleteRoute(last);
    expect(gatewaysNow()).toEqual([]);
    expect(() => pod.deleteRoute(last)).toThrow("ESRCH");
  });

  test("replaceRoute() takes a link and a source, and routes() gives them back", () => {
    const wanted = {
      destination: parsePrefix("10.80.0.0/16"),
      ifindex: links.eth0,
      source: parseAddress("10.9.0.2"),
      protocol: ROUTE_PROTOCOL,
    };
    pod.replaceRoute(wanted);
    expect(pod.routes()).toContainEqual(wanted);
    pod.deleteRoute(wanted);
    expect(pod.routes()).not.toContainEqual(wanted);
  });

  test("replaceNeighbour() is permanent and listed for its link only", async () => {
    const neighbour = { ifindex: links.eth0, address: parseAddress("10.9.0.77"), mac: parseMac("02:00:00:00:00:77") };
    pod.replaceNeighbour({ ...neighbour, mac: parseMac("02:00:00:00:00:78") });
    pod.replaceNeighbour(neighbour);
    expect(pod.neighbours(links.eth0)).toContainEqual(neighbour);
    expect(pod.neighbours(1)).toEqual([]);
    expect(await exec("ip", ["neigh", "show", "dev", "eth0"], { netns: b })).toMatch(/10\.9\.0\.77 .*PERMANENT/);
  });

  test.each([
    { family: "IPv4", own: "10.9.2.2", other: "10.9.2.1", length: 24 },
    { family: "IPv6", own: "fd00:92::2", other: "fd00:92::1", length: 64 },
  ])("askForNeighbour() makes an $family neighbour known, and asks in vain for one that is not there", async (pair) => {
    const [own, other] = [parseAddress(pair.own), parseAddress(pair.other)];
    host.addAddress({ ifindex: links.bridge, address: other, length: pair.length });
    pod.addAddress({ ifindex: links.eth0, address: own, length: pair.length });
    const known = () => pod.neighbours(links.eth0).filter(({ address }) => sameAddress(address, other));
    expect(known()).toEqual([]);
    pod.askForNeighbour({ ifindex: links.eth0, address: { ...other, value: other.value + 98n } });
    pod.askForNeighbour({ ifindex: links.eth0, address: other });
    await waitFor("the neighbour", () => known().length > 0, { deadline: 5000 });
    pod.askForNeighbour({ ifindex: links.eth0, address: other });
    expect(known()).toEqual([{ ifindex: links.eth0, address: other, mac: BRIDGE_MAC }]);
  });

  test("routes() reads thousands of routes", async () => {
    const lines = Array.from({ length: 3000 }, (_, i) => `route add 10.${100 + (i >> 8)}.${i & 255}.0/24 dev eth0\n`);
    await exec("ip", ["-batch", "-"], { netns: b, input: lines.join("") });
    expect(pod.routes().filter(({ destination }) => destination.length === 24).length).toBeGreaterThanOrEqual(3000);
    await exec("ip", ["route", "flush", "dev", "eth0", "proto", "boot"], { netns: b });
  });
});

describe("watchRtnetlink()", () => {
  test("tells the topic of each change, and nothing after close()", async () => {
    const seen: RtnetlinkTopic[] = [];
    const watch = watchRtnetlink(["link", "address", "route"], (topic) => seen.push(topic), { netns: a });
    const bridge = host.createBridge({ name: "br1", mac: BRIDGE_MAC, mtu: 1500 });
    await waitFor("a link change", () => seen.includes("link"), { deadline: 1000 });
    host.setLink(bridge, { up: true });
    host.addAddress({ ifindex: bridge, address: parseAddress("10.99.0.1"), length: 24 });
    await waitFor("an address change", () => seen.includes("address"), { deadline: 1000 });
    await waitFor("a route change", () => seen.includes("route"), { deadline: 1000 });
    watch.close();
    seen.length = 0;
    host.deleteLink(bridge);
    await new Promise((resolve) => setImmediate(resolve));
    expect(seen).toEqual([]);
  });

  test("counts lost reports as a change of every topic and goes on", async () => {
    const index = pod.createBridge({ name: "br2", mac: BRIDGE_MAC, mtu: 1500 });
    pod.setLink(index, { up: true });
    const seen: RtnetlinkTopic[] = [];
    const watch = watchRtnetlink(["address", "route"], (topic) => seen.push(topic), { netns: b });
    // 30,000 reports of routes while this thread does not listen: more than the socket holds.
    for (let i = 0; i < 15_000; i++) {
      const destination = parsePrefix(`10.200.${i >> 8}.${i & 255}/32`);
      pod.replaceRoute({ destination, ifindex: index, protocol: ROUTE_PROTOCOL });
      pod.deleteRoute({ destination, ifindex: index, protocol: ROUTE_PROTOCOL });
    }
    await waitFor("the loss to be told", () => seen.includes("address"), { deadline: 1000 });
    let before = -1;
    const isQuiet = () => {
      const quiet = seen.length === before;
      before = seen.length;
      return quiet;
    };
    await waitFor("what was not lost to be read", isQuiet, { deadline: 2000, every: 50 });
    pod.replaceRoute({ destination: parsePrefix("10.201.0.0/16"), ifindex: index, protocol: ROUTE_PROTOCOL });
    await waitFor("a report after the loss", () => seen.length > before, { deadline: 1000 });
    watch.close();
    pod.deleteLink(index);
  });
});

test("withoutLinks() keeps reports of links with such names away, and lets all others pass", () => {
  const shapes = [
    { start: "ir", length: 7 },
    { start: "ib", length: 15 },
  ];
  const prepare = (fd: number) => void attachFilter(fd, encodeFilter(withoutLinks(shapes)));
  const inbox = openNetlinkInbox({ protocol: NETLINK_ROUTE, groups: [1, 5], netns: a, prepare });
  const others = ["ib0123456789ab", "ir345678", "eb0123456789abc", "ib0"];
  for (const name of ["ib0123456789abc", "ir34567", ...others]) {
    const { index } = host.createVeth({ name, mtu: 1500, peer: { name: "peer", netns: b } });
    host.addAddress({ ifindex: index, address: parseAddress("10.77.0.1"), length: 24 });
    host.deleteLink(index);
  }
  const messages = inbox.read(256) ?? [];
  inbox.close();
  const links = messages.filter(({ type }) => type === 16 || type === 17).map((message) => decodeLink(message).name);
  expect([...new Set(links)]).toEqual(others);
  expect(messages.filter(({ type }) => type === 20).length).toBe(6); // addresses are told of all
});

test("watchLinkRemovals() tells of links that linkExists() finds no more", async () => {
  const told: string[] = [];
  const watch = watchLinkRemovals([{ start: "ib", length: 15 }], (name) => told.push(name), a);
  const bridge = host.createBridge({ name: "br3", mac: BRIDGE_MAC, mtu: 1500 });
  const names = ["ib0123456789abc", "ib0123456789abd", "ib012"];
  for (const [i, name] of names.entries()) {
    host.createVeth({ name, mtu: 1500, master: bridge, peer: { name: `p${i}`, netns: b } });
  }
  host.setLink(host.link(names[0]!)!.index, { master: 0 }); // leaves the bridge, which tells that it is gone there
  expect(runInNetns(a, () => names.map(linkExists))).toEqual([true, true, true]);
  const done = host.deleteLinks(names);
  await waitFor("the reports", () => told.length === 2, { deadline: 1000, every: 1 });
  expect(told.sort()).toEqual(names.slice(0, 2));
  expect(runInNetns(a, () => names.map(linkExists))).toEqual([false, false, false]);
  await done;
  expect(told.length).toBe(2);
  watch.close();
  host.deleteLink(bridge);
});

test("watchRtnetlink() with a rest tells at once, and then once in a while", async () => {
  const times: number[] = [];
  const watch = watchRtnetlink(["link"], () => times.push(performance.now()), { netns: a, rest: 100 });
  const { index } = host.createVeth({ name: "v0", mtu: 1500, peer: { name: "v1", netns: b } });
  await waitFor("the first report", () => times.length === 1, { deadline: 1000, every: 1 });
  const until = performance.now() + 350;
  while (performance.now() < until) {
    host.setLink(index, { up: true });
    host.setLink(index, { up: false });
    await new Promise((resolve) => setImmediate(resolve));
  }
  watch.close();
  expect(times.length).toBeGreaterThan(1);
  const gaps = times.slice(1).map((time, i) => time - times[i]!);
  expect(Math.min(...gaps)).toBeGreaterThanOrEqual(95);
  host.deleteLink(index);
});

test("openRtnetlink() and watchRtnetlink() leave no descriptor open", () => {
  const count = () => readdirSync("/proc/self/fd").length;
  const before = count();
  for (let i = 0; i < 1000; i++) {
    openRtnetlink(a).close();
    watchRtnetlink(["link"], () => {}, { netns: a }).close();
  }
  expect(count()).toBe(before);
});

/** A veth pair between the namespaces; gives the index of the end in `a`. */
function pair(name: string): number {
  return host.createVeth({ name: `v-${name}`, mtu: 1500, peer: { name: `p-${name}`, netns: b } }).index;
}

describe("shaping", () => {
  test("openRtnetlink() limits what leaves a link and, by way of an IFB, what comes in", async () => {
    const port = pair("shape");
    const { index: ifb } = host.createIfb({ name: "ifb-shape", mtu: 1500 });
    host.shape(port, { rate: 1_250_000, burst: 125_000, limit: 200_000 });
    host.shape(port, { rate: 2_500_000, burst: 125_000, limit: 200_000 });
    host.shape(ifb, { rate: 6_000_000_000, burst: 125_000, limit: 200_000 });
    host.redirectIngress(port, ifb);
    expect(host.qdiscs(port)).toEqual([{ kind: "tbf", rate: 2_500_000 }, { kind: "ingress" }]);
    expect(host.qdiscs(ifb)).toEqual([{ kind: "tbf", rate: 6_000_000_000 }]);
    const shown = await exec("tc", ["qdisc", "show"], { netns: a });
    expect(shown).toMatch(/tbf .* rate 20Mbit burst 125000b/);
    const filter = await exec("tc", ["filter", "show", "dev", "v-shape", "parent", "ffff:"], { netns: a });
    expect(filter).toContain("Egress Redirect to device ifb-shape");
  });
});

describe("tunnels", () => {
  test("openRtnetlink() makes a VXLAN whose peers and routes are all told", async () => {
    const port = pair("under");
    host.setLink(port, { up: true });
    host.addAddress({ ifindex: port, address: parseAddress("192.0.2.1"), length: 24 });
    const mac = parseMac("02:00:00:00:07:01");
    const options = {
      name: "vx0",
      mac,
      mtu: 1450,
      vni: 1,
      port: 8472,
      local: parseAddress("192.0.2.1"),
      underlay: port,
    };
    const ifindex = host.createVxlan(options);
    host.setLink(ifindex, { up: true });
    expect(host.link("vx0")).toMatchObject({
      kind: "vxlan",
      mac,
      mtu: 1450,
      vxlan: { vni: 1, port: 8472, local: "192.0.2.1", underlay: port },
    });
    const peer = { ifindex, mac: parseMac("02:00:00:00:07:02"), remote: parseAddress("192.0.2.2") };
    host.replaceTunnelPeer({ ...peer, remote: parseAddress("192.0.2.9") });
    host.replaceTunnelPeer(peer);
    expect(host.tunnelPeers(ifindex)).toEqual([peer]);
    const gateway = parseAddress("10.9.0.0");
    host.replaceNeighbour({ ifindex, address: gateway, mac: peer.mac });
    const route = { destination: parsePrefix("10.9.0.0/24"), gateway, ifindex, protocol: ROUTE_PROTOCOL, onLink: true };
    host.replaceRoute(route);
    expect(host.routes()).toContainEqual(route);
    expect(await exec("ip", ["-d", "link", "show", "vx0"], { netns: a })).toMatch(/dstport 8472 nolearning/);
    host.deleteTunnelPeer(peer);
    host.deleteNeighbour({ ifindex, address: gateway, mac: peer.mac });
    expect([host.tunnelPeers(ifindex), host.neighbours(ifindex)]).toEqual([[], []]);
  });
});
