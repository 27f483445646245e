import { describe, expect, test } from "vitest";
import { parsePrefix } from "../../../net/mod.ts";
import { macOn, stationsOf } from "../../../speaker/station.ts";

const end = (name: string, last: number, ...subnets: string[]) => ({
  name,
  mac: Uint8Array.of(2, 0, 0, 0, 0, last),
  subnets: subnets.map(parsePrefix),
});
const stations = stationsOf([
  end("eth0", 1, "192.168.1.0/24"),
  end("eth1", 2, "10.0.0.0/8", "2001:db8::/64"),
  end("x", 3),
]);

describe("macOn()", () => {
  test.each([
    ["in a subnet of both, whatever its name", end("ens5", 9, "172.16.0.0/12", "2001:db8::/64"), "02:00:00:00:00:02"],
    ["in a subnet of both rather than on an interface of the name", end("eth0", 9, "10.0.0.0/8"), "02:00:00:00:00:02"],
    ["by the name where a side has no address", end("x", 9, "172.16.0.0/12"), "02:00:00:00:00:03"],
    ["by the name where no side has one", end("x", 9), "02:00:00:00:00:03"],
    ["nowhere else", end("ens5", 9, "172.16.0.0/12"), undefined],
  ])("finds a member %s", (_, link, mac) => {
    expect(macOn(link, stations)).toBe(mac);
  });
});
