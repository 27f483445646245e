import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { AddressPool } from "../../../cni/address-pool.ts";
import { parseAddress, parsePrefix, parseRange, printAddress } from "../../../net/mod.ts";

const pool = (prefix: string) => new AddressPool(parsePrefix(prefix));
const takeAll = (from: AddressPool) => {
  const taken: string[] = [];
  for (let address = from.take(); address !== undefined; address = from.take()) taken.push(printAddress(address));
  return taken;
};

describe("AddressPool", () => {
  test.each([
    { prefix: "10.0.0.0/24", gateway: "10.0.0.1", first: "10.0.0.2", last: "10.0.0.254", capacity: 253 },
    { prefix: "10.0.0.8/29", gateway: "10.0.0.9", first: "10.0.0.10", last: "10.0.0.14", capacity: 5 },
    { prefix: "10.0.0.0/30", gateway: "10.0.0.1", first: "10.0.0.2", last: "10.0.0.2", capacity: 1 },
    { prefix: "fd00::/126", gateway: "fd00::1", first: "fd00::2", last: "fd00::3", capacity: 2 },
  ])("hands out $first to $last of $prefix, never network, gateway or broadcast", (want) => {
    const subject = pool(want.prefix);
    const taken = takeAll(subject);
    expect(printAddress(subject.gateway)).toBe(want.gateway);
    expect([taken[0], taken.at(-1), taken.length, subject.capacity]).toEqual([
      want.first,
      want.last,
      want.capacity,
      want.capacity,
    ]);
  });

  test.each(["10.0.0.0/31", "10.0.0.0/32", "fd00::/127"])("has nothing to hand out in %s", (prefix) => {
    expect(pool(prefix).take()).toBeUndefined();
    expect(pool(prefix).capacity).toBe(0);
  });

  test("stops after 65,536 addresses of a large prefix", () => {
    expect(pool("fd00::/64").capacity).toBe(65_536);
  });

  test("hands out the address freed the longest time ago, after all that were never used", () => {
    const subject = pool("10.0.0.0/29");
    takeAll(subject);
    for (const text of ["10.0.0.5", "10.0.0.2", "10.0.0.4"]) subject.free(parseAddress(text));
    expect(takeAll(subject)).toEqual(["10.0.0.5", "10.0.0.2", "10.0.0.4"]);
  });

  test("does not hand out what is held already", () => {
    const subject = pool("10.0.0.0/29");
    subject.hold(parseAddress("10.0.0.2"));
    subject.hold(parseAddress("10.0.0.4"));
    expect(takeAll(subject)).toEqual(["10.0.0.3", "10.0.0.5", "10.0.0.6"]);
  });

  test("hands out the parts it was given only, and the freed of all of them in one order", () => {
    const parts = ["10.0.0.0-10.0.0.3", "10.0.0.9-10.0.0.10", "10.0.0.254-10.0.0.255"].map(parseRange);
    const subject = new AddressPool(parsePrefix("10.0.0.0/24"), parts);
    expect(subject.capacity).toBe(5);
    expect(takeAll(subject)).toEqual(["10.0.0.2", "10.0.0.3", "10.0.0.9", "10.0.0.10", "10.0.0.254"]);
    for (const text of ["10.0.0.9", "10.0.0.5", "10.0.0.2"]) subject.free(parseAddress(text));
    expect(takeAll(subject)).toEqual(["10.0.0.9", "10.0.0.2"]);
    expect(subject.takeThis(parseAddress("10.0.0.5"))).toBeUndefined();
  });

  test("ignores addresses of others", () => {
    const subject = pool("10.0.0.0/30");
    for (const text of ["10.0.0.1", "10.0.0.3", "10.0.1.2", "::2"]) subject.free(parseAddress(text));
    expect(takeAll(subject)).toEqual(["10.0.0.2"]);
  });

  test("never has two owners for one address and loses none", () => {
    const step = fc.oneof(fc.constant("take" as const), fc.nat({ max: 20 }));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const subject = pool("10.0.0.0/28");
        const held: string[] = [];
        for (const action of steps) {
          if (action === "take") {
            const address = subject.take();
            if (address === undefined) expect(held.length).toBe(subject.capacity);
            else expect(held).not.toContain(printAddress(address));
            if (address !== undefined) held.push(printAddress(address));
          } else if (held.length > 0) {
            const [text] = held.splice(action % held.length, 1);
            subject.free(parseAddress(text!));
          }
          expect(subject.used).toBe(held.length);
        }
        expect(takeAll(subject).length + held.length).toBe(subject.capacity);
      }),
    );
  });
});
