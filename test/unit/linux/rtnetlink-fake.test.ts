import { describe, expect, test } from "vitest";
import { hasErrno } from "../../../linux/libc.ts";
import { type FakeRtnetlink, fakeRtnetlink } from "../../../linux/rtnetlink-fake.ts";
import { parseAddress, parseMac, parsePrefix } from "../../../net/mod.ts";

const MAC = parseMac("02:00:00:00:00:01");
const netns = { fd: 0, path: "/run/netns/pod", close: () => {} };

function withVeth(): { fake: FakeRtnetlink; bridge: number; port: number } {
  const fake = fakeRtnetlink();
  const bridge = fake.createBridge({ name: "br0", mac: MAC, mtu: 1450 });
  const peer = { name: "eth0", netns, mac: MAC };
  const { index: port } = fake.createVeth({ name: "v0", mtu: 1450, master: bridge, peer });
  fake.setLink(port, { hairpin: true });
  return { fake, bridge, port };
}

describe("fakeRtnetlink()", () => {
  test("makes the peer in its namespace, and takes both ends with either", () => {
    const { fake, bridge, port } = withVeth();
    const pod = fake.inNetns(netns.path);
    expect(fake.link("v0")).toMatchObject({ index: port, master: bridge, kind: "veth" });
    expect(pod.link("eth0")).toMatchObject({ mac: MAC, kind: "veth" });
    expect([...fake.hairpins]).toEqual([port]);
    pod.deleteLink(pod.link("eth0")!.index);
    expect(fake.link("v0")).toBeUndefined();
    expect([...fake.hairpins]).toEqual([]);
  });

  test("makes and removes the route of an address' prefix, and forgets all of a deleted link", () => {
    const { fake, bridge } = withVeth();
    const address = { ifindex: bridge, address: parseAddress("10.1.0.1"), length: 24 };
    fake.addAddress(address);
    fake.addAddress(address);
    expect(fake.addresses()).toEqual([address]);
    expect(fake.routes()).toMatchObject([{ destination: parsePrefix("10.1.0.0/24"), protocol: 2 }]);
    fake.replaceRoute({ destination: parsePrefix("10.2.0.0/24"), gateway: parseAddress("10.1.0.9"), protocol: 73 });
    expect(fake.routes()).toHaveLength(2);
    fake.deleteLink(bridge);
    expect([fake.addresses(), fake.routes(), fake.link("v0")?.master]).toEqual([[], [], undefined]);
  });

  test("replaces a route and a neighbour", () => {
    const { fake, bridge } = withVeth();
    for (const last of ["1", "2"]) {
      const address = parseAddress(`10.0.0.${last}`);
      fake.replaceRoute({ destination: parsePrefix("10.2.0.0/24"), gateway: address, ifindex: bridge, protocol: 73 });
      fake.replaceNeighbour({
        ifindex: bridge,
        address: parseAddress("10.0.0.9"),
        mac: parseMac(`02:00:00:00:00:0${last}`),
      });
    }
    expect(fake.routes()).toMatchObject([{ gateway: parseAddress("10.0.0.2") }]);
    expect(fake.neighbours(bridge)).toMatchObject([{ mac: parseMac("02:00:00:00:00:02") }]);
    expect(fake.neighbours(1)).toEqual([]);
    fake.deleteRoute({ destination: parsePrefix("10.2.0.0/24"), protocol: 73 });
    expect(fake.routes()).toEqual([]);
  });

  test("keeps the last filter of a link, until it is told to forget it or the link", () => {
    const { fake, port } = withVeth();
    const [first, second] = [1, 2].map((fd) => ({ fd, close: () => {} }));
    fake.filterIngress(port, first!);
    fake.filterIngress(port, second!);
    expect([fake.hasIngressFilter(port), fake.ingressFilter(port)]).toEqual([true, second]);
    fake.unfilterIngress(port);
    fake.unfilterIngress(port);
    expect([fake.hasIngressFilter(port), fake.ingressFilter(port)]).toEqual([false, undefined]);
    fake.filterIngress(port, first!);
    fake.deleteLink(port);
    expect(fake.hasIngressFilter(port)).toBe(false);
  });

  test.each<{ name: string; errno: string; act: (fake: FakeRtnetlink) => void }>([
    { name: "a name in use", errno: "EEXIST", act: (fake) => fake.createBridge({ name: "br0", mac: MAC, mtu: 1500 }) },
    {
      name: "a peer name in use",
      errno: "EEXIST",
      act: (fake) => fake.createVeth({ name: "v1", mtu: 1, peer: { name: "eth0", netns } }),
    },
    { name: "a missing link", errno: "ENODEV", act: (fake) => fake.deleteLink(99) },
    {
      name: "a gateway no link leads to",
      errno: "ENETUNREACH",
      act: (fake) =>
        fake.replaceRoute({ destination: parsePrefix("::/0"), gateway: parseAddress("2001:db8::1"), protocol: 73 }),
    },
    {
      name: "deleting a route that is not there",
      errno: "ESRCH",
      act: (fake) => fake.deleteRoute({ destination: parsePrefix("10.2.0.0/24"), protocol: 73 }),
    },
    { name: "hairpin outside of a bridge", errno: "EOPNOTSUPP", act: (fake) => fake.setLink(2, { hairpin: true }) },
  ])("refuses $name", ({ errno, act }) => {
    expect(() => act(withVeth().fake)).toThrow(expect.toSatisfy((error: unknown) => hasErrno(error, errno)));
  });
});
