import { describe, expect, test } from "vitest";
import { CONFIG_KINDS, CONFIG_LISTS, type ConfigObjects, resolveConfig } from "../../../config/mod.ts";
import { PEER } from "./bgp-mistakes.ts";

/** An object of each kind without any other mistake, in the namespace given. */
function oneOfEach(namespace: string): ConfigObjects {
  const object = (spec: object): never[] => [{ metadata: { name: "some", namespace }, spec } as never];
  return {
    pools: object({ addresses: ["10.0.0.0/24"] }),
    l2Advertisements: object({}),
    bgpAdvertisements: object({}),
    bgpPeers: object(PEER),
    bfdProfiles: object({}),
    communities: object({ communities: [{ name: "vpn", value: "1:1" }] }),
  };
}

describe("resolveConfig() and namespaces", () => {
  const HOME = "ironbridge-system";
  const foreign = resolveConfig({ ...oneOfEach("team"), home: HOME });

  test.each(CONFIG_LISTS)("refuses an object of another namespace: %s", (list) => {
    const { kind } = CONFIG_KINDS[list];
    expect(foreign.problems.find((problem) => problem.kind === kind)?.message).toBe(
      `${kind} team/some: metadata.namespace is "team": resource must be created in ironbridge-system namespace, or in metallb-system; create it there.`,
    );
  });

  test("uses none of them", () => {
    const { problems: _, ...lists } = foreign;
    expect(Object.values(lists).flat()).toEqual([]);
  });

  test.each([HOME, "metallb-system"])("takes those of %s", (namespace) => {
    expect(resolveConfig({ ...oneOfEach(namespace), home: HOME }).problems).toEqual([]);
  });

  test("takes those of every namespace where none is Ironbridge's own", () => {
    expect(resolveConfig(oneOfEach("team")).problems).toEqual([]);
  });
});
