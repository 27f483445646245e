import { describe, expect, test } from "vitest";
import { type Attributes, decodeAttributes, type NetlinkRequest } from "../../../linux/netlink-message.ts";
import { addAddress, decodeLinkAddress } from "../../../linux/rtnetlink-address.ts";
import { changeLink, decodeLink } from "../../../linux/rtnetlink-link.ts";
import { addVeth } from "../../../linux/rtnetlink-link-creation.ts";
import { decodeNeighbour, replaceNeighbour } from "../../../linux/rtnetlink-neighbour.ts";
import { decodeRoute, type Route, removeRoute, replaceRoute } from "../../../linux/rtnetlink-route.ts";
import { parseAddress, parseMac, parsePrefix } from "../../../net/mod.ts";

/** A request as the kernel would tell of the thing it makes. */
function echo({ type, payload }: NetlinkRequest) {
  return { type, flags: 0, sequence: 0, port: 0, payload };
}

function attributesOf({ payload }: NetlinkRequest, header: number): Attributes {
  return decodeAttributes(payload, header);
}

describe("addresses", () => {
  test.each(["192.0.2.1", "2001:db8::1"])("addAddress() and decodeLinkAddress() agree on %s", (text) => {
    const address = { ifindex: 300, address: parseAddress(text), length: 24 };
    expect(decodeLinkAddress(echo(addAddress(address)))).toEqual(address);
  });

  test("addAddress() turns duplicate address detection off for IPv6 only", () => {
    const flags = (text: string) =>
      attributesOf(addAddress({ ifindex: 1, address: parseAddress(text), length: 32 }), 8).get(8);
    expect(flags("2001:db8::1")).toEqual(Uint8Array.of(2, 0, 0, 0));
    expect(flags("192.0.2.1")).toBeUndefined();
  });
});

describe("routes", () => {
  const routes: Route[] = [
    { destination: parsePrefix("10.1.0.0/16"), gateway: parseAddress("192.0.2.1"), ifindex: 3, protocol: 73 },
    { destination: parsePrefix("0.0.0.0/0"), gateway: parseAddress("192.0.2.1"), protocol: 4 },
    { destination: parsePrefix("2001:db8::/64"), ifindex: 70_000, protocol: 73 },
    { destination: parsePrefix("10.1.0.0/16"), gateway: parseAddress("fe80::1"), ifindex: 3, protocol: 73 },
    { destination: parsePrefix("10.1.0.0/16"), ifindex: 3, source: parseAddress("192.0.2.9"), protocol: 73 },
  ];
  test.each(routes)("replaceRoute() and decodeRoute() agree on %o", (route) => {
    expect(decodeRoute(echo(replaceRoute(route)))).toEqual(route);
  });

  test("a gateway of another family is told with its family (RTA_VIA, 18), the usual one without (RTA_GATEWAY, 5)", () => {
    const [usual, other] = [routes[0]!, routes[3]!].map((route) => attributesOf(replaceRoute(route), 12));
    expect([usual?.get(5), usual?.get(18)]).toEqual([Uint8Array.of(192, 0, 2, 1), undefined]);
    expect(other?.get(5)).toBeUndefined();
    expect(other?.get(18)).toEqual(Uint8Array.of(10, 0, 0xfe, 0x80, ...new Uint8Array(13), 1));
  });

  test("a route is of link scope without a gateway, and deleted in whatever scope", () => {
    const scope = (request: NetlinkRequest) => request.payload[6];
    expect(scope(replaceRoute(routes[0]!))).toBe(0);
    expect(scope(replaceRoute(routes[3]!))).toBe(0);
    expect(scope(replaceRoute(routes[4]!))).toBe(253);
    expect(scope(removeRoute(routes[4]!))).toBe(255);
  });

  test.each([
    { name: "another table", at: 4, value: 255 },
    { name: "another type", at: 7, value: 2 },
    { name: "a cached exception", at: 9, value: 2 },
    { name: "another family", at: 0, value: 28 },
  ])("decodeRoute() skips $name", ({ at, value }) => {
    const message = echo(replaceRoute(routes[0]!));
    message.payload[at] = value;
    expect(decodeRoute(message)).toBeUndefined();
  });
});

describe("neighbours", () => {
  const neighbour = { ifindex: 5, address: parseAddress("192.0.2.7"), mac: parseMac("02:00:00:00:00:07") };

  test("replaceNeighbour() and decodeNeighbour() agree", () => {
    expect(decodeNeighbour(echo(replaceNeighbour(neighbour)))).toEqual(neighbour);
  });

  test.each([0x01, 0x20, 0x40])("decodeNeighbour() skips state %i, whose MAC address means nothing", (state) => {
    const message = echo(replaceNeighbour(neighbour));
    message.payload[8] = state;
    expect(decodeNeighbour(message)).toBeUndefined();
  });
});

describe("links", () => {
  test("decodeLink() reads flags and leaves out what is absent", () => {
    const { payload } = changeLink(7, { up: true, mtu: 1400 })[0]!;
    const link = decodeLink({ type: 16, flags: 0, sequence: 0, port: 0, payload });
    expect(link).toMatchObject({ index: 7, up: true, mtu: 1400, carrier: false, mac: new Uint8Array() });
    expect(link).not.toHaveProperty("master");
    expect(link).not.toHaveProperty("kind");
  });

  test("addVeth() carries the peer with its namespace", () => {
    const netns = { fd: 42, path: "/run/netns/pod", close: () => {} };
    const peer = { name: "eth0", netns, mac: parseMac("02:00:00:00:00:07") };
    const request = addVeth({ name: "ib-abc", mtu: 1450, master: 9, peer });
    const info = decodeAttributes(attributesOf(request, 16).get(18)!);
    const inner = decodeAttributes(decodeAttributes(info.get(2)!).get(1)!, 16);
    expect(inner.get(28)).toEqual(Uint8Array.of(42, 0, 0, 0));
    expect(inner.get(1)).toEqual(peer.mac);
    expect(request.what).toBe("create veth ib-abc with peer eth0");
    expect(decodeLink(echo(request))).toMatchObject({ name: "ib-abc", mtu: 1450, master: 9, kind: "veth" });
  });

  test.each([
    { change: {}, what: [] },
    { change: { up: false }, what: ["set state down of the link of index 7"] },
    { change: { hairpin: true }, what: ["set hairpin on of the link of index 7"] },
    {
      change: { hairpin: true, master: 9, mtu: 1400 },
      what: ["set MTU 1400, master 9 of the link of index 7", "set hairpin on of the link of index 7"],
    },
  ])("changeLink() of $change asks in the order the kernel needs", ({ change, what }) => {
    expect(changeLink(7, change).map((request) => request.what)).toEqual(what);
  });
});
