import { describe, expect, test } from "vitest";
import { type ConfigObjects, resolveConfig } from "../../../../config/mod.ts";
import { verdictKey, verdictsOf } from "../../../../controller/config-verdicts.ts";
import { review } from "../../../../controller/webhook/review.ts";
import type { KubeObject } from "../../../../kube/mod.ts";
import { REFUSED } from "../../config/bgp-mistakes.ts";

const KINDS = {
  bgpPeers: "BGPPeer",
  bgpAdvertisements: "BGPAdvertisement",
  bfdProfiles: "BFDProfile",
  communities: "Community",
} as const;

describe("the webhook and the condition of an object say the same", () => {
  test.each(REFUSED)("$name", ({ name: _, ...rest }) => {
    const objects: ConfigObjects = { pools: [], l2Advertisements: [], ...rest };
    const [list, kind] = Object.entries(KINDS).find(([each]) => objects[each as keyof typeof KINDS]?.some(isBad))!;
    const all: readonly KubeObject[] = objects[list as keyof typeof KINDS] ?? [];
    const object = all.find(isBad)!;
    const { problems } = resolveConfig(objects);
    const condition = verdictsOf([{ kind, object }], problems).get(verdictKey(kind, object));
    expect(condition).toMatchObject({ type: "Valid", status: "False", reason: "ConfigurationError" });

    const others = { ...objects, [list]: all.filter((each) => !isBad(each)) };
    const request = { uid: "1", kind: { kind }, operation: "CREATE", object } as const;
    const answer = review(request, others, new Date("2026-06-01T00:00:00Z"));
    if (problems.every(({ waits }) => waits === true)) expect(answer.allowed).toBe(true);
    else expect(answer.status?.message).toBe(condition?.message);
  });
});

function isBad({ metadata }: KubeObject): boolean {
  return metadata?.name === "bad";
}
