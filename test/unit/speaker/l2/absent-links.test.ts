import { describe, expect, test } from "vitest";
import { parsePrefix } from "../../../../net/mod.ts";
import { AbsentLinks, peersBehind } from "../../../../speaker/l2/absent-links.ts";
import { ETH0 } from "./fake-ports.ts";

const link = (name: string, ...subnets: string[]) => ({ ...ETH0, name, subnets: subnets.map(parsePrefix) });
const [LAN, OTHER] = [link("eth0", "192.168.1.0/24", "2001:db8::/64"), link("eth1", "10.0.0.0/8")];

describe("AbsentLinks", () => {
  test("tells of links that have come, and of those that are back as they were", () => {
    const absent = new AbsentLinks();
    expect(absent.follow([], [LAN, OTHER])).toEqual([LAN, OTHER]);
    expect(absent.follow([LAN, OTHER], [OTHER])).toEqual([]);
    expect(absent.follow([OTHER], [OTHER, link("eth2")])).toEqual([link("eth2")]);
    expect(absent.follow([OTHER], [OTHER, link("eth0")])).toEqual([LAN]);
    expect(absent.follow([OTHER, link("eth0")], [OTHER, LAN])).toEqual([]);
  });
});

describe("peersBehind()", () => {
  const peers = ["192.168.1.12", "2001:db8::13", "10.0.0.14", "172.16.0.15"].map((address, i) => ({
    name: `node${i + 2}`,
    address,
  }));

  test.each([
    ["none for no link", [], [LAN, OTHER], []],
    ["those on its networks, and those behind a router", [LAN], [OTHER], ["node2", "node3", "node5"]],
    ["all of them for all links", [LAN, OTHER], [], ["node2", "node3", "node4", "node5"]],
    ["those behind a router for a link without addresses", [link("eth2")], [LAN, OTHER], ["node5"]],
  ])("gives %s", (_, absent, links, names) => {
    expect(peersBehind(absent, links, peers)).toEqual(names);
  });
});
