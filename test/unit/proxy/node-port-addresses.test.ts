import { describe, expect, test } from "vitest";
import { parseAddress, parsePrefix } from "../../../net/mod.ts";
import { nodePortAddresses, wantsLocalhost } from "../../../proxy/node-port-addresses.ts";

const OWN = ["127.0.0.1", "192.168.1.11", "10.0.0.5", "::1", "fe80::1", "fd00:1::11"].map(parseAddress);
const chosen = (...texts: string[]) => nodePortAddresses(texts.map(parsePrefix), OWN);

describe("nodePortAddresses()", () => {
  test("takes the addresses inside the prefixes", () => {
    expect(chosen("192.168.0.0/16", "fd00::/8")).toEqual(["192.168.1.11", "fd00:1::11"]);
  });

  test("takes all of a family that no prefix is of", () => {
    expect(chosen("192.168.0.0/16")).toEqual(["192.168.1.11", "fd00:1::11"]);
    expect(chosen("fd00::/8")).toEqual(["10.0.0.5", "192.168.1.11", "fd00:1::11"]);
  });

  test("takes localhost only when it is named, and never in IPv6", () => {
    expect(chosen("0.0.0.0/0", "::/0")).toEqual(["10.0.0.5", "192.168.1.11", "fd00:1::11"]);
    expect(chosen("127.0.0.0/8", "::1/128")).toEqual(["127.0.0.1"]);
    expect(wantsLocalhost([parsePrefix("127.0.0.1/32")])).toBe(true);
    expect(wantsLocalhost([parsePrefix("0.0.0.0/0")])).toBe(false);
  });
});
