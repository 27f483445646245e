import { describe, expect, test } from "vitest";
import { announcementsOf, type Candidacy } from "../../../speaker/announce.ts";

const candidacy = (
  service: string,
  addresses: string[],
  score = 0,
  interfaces: "all" | string[] = "all",
): Candidacy => ({
  facts: { service, addresses, adverts: [] },
  standing: { score, interfaces, rule: "sticky" },
});
const always = () => true;

describe("announcementsOf()", () => {
  test("ranks every address of a Service by the first", () => {
    expect(announcementsOf([candidacy("a/a", ["192.0.2.2", "192.0.2.1"])], always)).toEqual([
      { address: "192.0.2.2", rankAddress: "192.0.2.2", score: 0, interfaces: "all", rule: "sticky" },
      { address: "192.0.2.1", rankAddress: "192.0.2.2", score: 0, interfaces: "all", rule: "sticky" },
    ]);
  });

  test("announces both families", () => {
    const announced = announcementsOf([candidacy("a/a", ["2001:db8::1", "192.0.2.1"])], always);
    expect(announced.map(({ address }) => address)).toEqual(["2001:db8::1", "192.0.2.1"]);
  });

  test("announces an address once, with the best score and all interfaces of the Services that share it", () => {
    const sharing = [
      candidacy("a/a", ["192.0.2.1"], 10, ["eth1"]),
      candidacy("a/b", ["192.0.2.1"], 20, ["eth0", "eth1"]),
    ];
    const want = {
      address: "192.0.2.1",
      rankAddress: "192.0.2.1",
      score: 20,
      interfaces: ["eth0", "eth1"],
      rule: "sticky",
    };
    expect(announcementsOf(sharing, always)).toEqual([want]);
    expect(announcementsOf([...sharing].reverse(), always)).toEqual([want]);
  });

  test("waits for every Service of an address", () => {
    const sharing = [candidacy("a/a", ["192.0.2.1"]), candidacy("a/b", ["192.0.2.1"])];
    expect(announcementsOf(sharing, (service) => service === "a/a")).toEqual([]);
  });
});
