import { describe, expect, test } from "vitest";
import { SlicedPrefix } from "../../../cni/sliced-prefix.ts";
import { parseAddress, parsePrefix, parseRange, printAddress } from "../../../net/mod.ts";

const slice = (prefix: string, ...namespaces: string[]) => ({ prefix: parsePrefix(prefix), namespaces });
const subject = () =>
  new SlicedPrefix(parsePrefix("10.0.0.0/24"), [
    slice("10.0.0.0/29", "shop"),
    slice("10.0.0.248/29", "shop", "bank"),
    slice("fd00::40/122", "lab"),
  ]);
type Wish = { readonly address?: string; readonly range?: string };
const take = (from: SlicedPrefix, namespace?: string, { address, range }: Wish = {}) =>
  printAddress(
    from.take(namespace, {
      addresses: address === undefined ? [] : [parseAddress(address)],
      ranges: range === undefined ? [] : [parseRange(range)],
    }).address,
  );
const takeAll = (from: SlicedPrefix, namespace?: string, wish?: Wish) => {
  const taken: string[] = [];
  try {
    for (;;) taken.push(take(from, namespace, wish));
  } catch (error) {
    return { taken, error };
  }
};

describe("SlicedPrefix.take()", () => {
  test("gives pods of a Namespace all of its slices and nothing else, then names them", () => {
    const { taken, error } = takeAll(subject(), "shop");
    // Without the network's own, the gateway and the broadcast.
    expect(taken.map((text) => text.split(".")[3]).join()).toBe("2,3,4,5,6,7,248,249,250,251,252,253,254");
    expect(error).toMatchObject({
      code: 100,
      message:
        "all addresses of 10.0.0.0/29, 10.0.0.248/29, where pods of Namespace shop get theirs, are in use; " +
        "claim more with its annotation ironbridge.io/pod-ranges",
    });
  });

  test.each([undefined, "other", "lab"])("gives pods of %s only what nobody claims", (namespace) => {
    const { taken, error } = takeAll(subject(), namespace);
    expect([taken.length, taken[0], taken.at(-1)]).toEqual([240, "10.0.0.8", "10.0.0.247"]);
    const message = "all 253 addresses of 10.0.0.0/24, the node's pod prefix, are in use or claimed by Namespaces";
    expect(error).toMatchObject({ code: 100, message });
  });

  test("shares a slice among its Namespaces", () => {
    const from = subject();
    takeAll(from, "bank");
    expect(takeAll(from, "shop").taken).toHaveLength(6);
  });

  test("gives the gateway and the length of the whole prefix", () => {
    const { gateway, length } = subject().take("bank", { addresses: [], ranges: [] });
    expect([printAddress(gateway), length]).toEqual(["10.0.0.1", 24]);
  });

  const ranged = [
    {
      namespace: "bank",
      range: "10.0.0.0-10.0.0.249",
      gives: 2,
      says: "all addresses of 10.0.0.0-10.0.0.249 in 10.0.0.248/29, where",
    },
    {
      namespace: "other",
      range: "10.0.0.0-10.0.0.9",
      gives: 2,
      says: "10.0.0.0-10.0.0.9 are in use or claimed by Namespaces",
    },
  ];
  test.each(ranged)("keeps $namespace to what is in a range and its own", ({ namespace, range, gives, says }) => {
    const { taken, error } = takeAll(subject(), namespace, { range });
    expect(taken).toHaveLength(gives);
    expect(error).toMatchObject({ code: 100, message: expect.stringContaining(says) });
  });

  test("gives an address asked for that lies in one's own part", () => {
    expect(take(subject(), "bank", { address: "10.0.0.250" })).toBe("10.0.0.250");
    expect(take(subject(), "other", { address: "10.0.0.100" })).toBe("10.0.0.100");
  });

  const foreign = "address 10.0.0.250 lies in 10.0.0.248/29, which only pods of Namespace shop, bank get addresses of";
  const refusals = [
    { namespace: "other", address: "10.0.0.250", says: foreign },
    { namespace: undefined, address: "10.0.0.250", says: foreign },
    { namespace: "bank", address: "10.0.0.5", says: "only pods of Namespace shop get addresses of" },
    {
      namespace: "bank",
      address: "10.0.0.100",
      says: "10.0.0.100 lies outside of 10.0.0.248/29, where pods of Namespace bank",
    },
    { namespace: "shop", address: "10.0.0.1", says: "10.0.0.1 is in use or reserved" },
  ];
  test.each(refusals)("refuses $address for $namespace", ({ namespace, address, says }) => {
    const from = subject();
    const refused = expect.objectContaining({ code: 103, message: expect.stringContaining(says) });
    expect(() => take(from, namespace, { address })).toThrow(refused);
    expect(from.usage().used).toBe(0);
  });
});

test("SlicedPrefix counts all of the prefix and each slice, and is full when nothing unclaimed is left", () => {
  const from = subject();
  for (const text of ["10.0.0.3", "10.0.0.100", "10.0.0.250", "10.9.9.9"]) from.hold(parseAddress(text));
  from.free(parseAddress("10.0.0.100"));
  expect(from.usage()).toEqual({
    prefix: "10.0.0.0/24",
    used: 2,
    capacity: 253,
    slices: [
      { prefix: "10.0.0.0/29", used: 1, capacity: 6, namespaces: ["shop"] },
      { prefix: "10.0.0.248/29", used: 1, capacity: 7, namespaces: ["shop", "bank"] },
    ],
  });
  takeAll(from, "shop");
  expect(from.isFull).toBe(false);
  takeAll(from);
  expect(from.isFull).toBe(true);
});
