import { describe, expect, test } from "vitest";
import { canonicalAddress } from "../../../proxy/canonical.ts";

describe("canonicalAddress()", () => {
  test.each([
    ["10.0.0.1", "10.0.0.1"],
    ["0.0.0.0", "0.0.0.0"],
    ["255.255.255.255", "255.255.255.255"],
    ["010.0.0.08", "10.0.0.8"],
    ["10.0.0.256", undefined],
    ["10.0.0.300", undefined],
    ["10.0.0", undefined],
    ["10.0.0.1.", undefined],
    ["10.0.0.1.2", undefined],
    ["10.0.0.1\n", undefined],
    ["", undefined],
    ["fd00::1", undefined],
  ])("IPv4 %j", (text, want) => expect(canonicalAddress(text, "ipv4")).toBe(want));

  test.each([
    ["FD00:0:0::1", "fd00::1"],
    ["10.0.0.1", undefined],
  ])("IPv6 %j", (text, want) => expect(canonicalAddress(text, "ipv6")).toBe(want));
});
