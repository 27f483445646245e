import { describe, expect, test } from "vitest";
import { CONFIG_KINDS, CONFIG_LISTS, type ConfigObjects, resolveConfig } from "../../../../config/mod.ts";
import { verdictKey, verdictsOf } from "../../../../controller/config-verdicts.ts";
import { review } from "../../../../controller/webhook/review.ts";
import type { KubeObject } from "../../../../kube/mod.ts";
import { REFUSED as REFUSED_BGP } from "../../config/bgp-mistakes.ts";
import { REFUSED as REFUSED_POOLS } from "../../config/pool-mistakes.ts";

describe("the webhook and the condition of an object say the same", () => {
  test.each([...REFUSED_POOLS, ...REFUSED_BGP])("$name", ({ name: _, ...rest }) => {
    const objects: ConfigObjects = { pools: [], l2Advertisements: [], ...rest };
    const config = resolveConfig(objects);
    const { problems } = config;
    const { kind, namespace, name } = problems[0]!;
    const isBad = ({ metadata }: KubeObject) => metadata?.name === name && metadata.namespace === namespace;
    const list = CONFIG_LISTS.find((each) => CONFIG_KINDS[each].kind === kind)!;
    const all: readonly KubeObject[] = objects[list] ?? [];
    const object = all.find(isBad)!;
    const condition = verdictsOf([{ kind, object }], config).get(verdictKey(kind, object));
    expect(condition).toMatchObject({ type: "Valid", status: "False", reason: "ConfigurationError" });

    const others = { ...objects, [list]: all.filter((each) => !isBad(each)) };
    const request = { uid: "1", kind: { kind }, operation: "CREATE", object } as const;
    const answer = review(request, others);
    if (problems.every(({ waits }) => waits === true)) expect(answer.allowed).toBe(true);
    else expect(answer.status?.message).toBe(condition?.message);
  });

  test("of one that is in force, but not with all that it asks for", () => {
    const object = { metadata: { name: "echo", namespace: "metallb-system" }, spec: { echoMode: true } };
    const kind = "BFDProfile";
    const none: ConfigObjects = { pools: [], l2Advertisements: [] };
    const there = { ...none, bfdProfiles: [object] };
    const config = resolveConfig(there);
    const remark = config.remarks[0]?.message;
    const condition = verdictsOf([{ kind, object }], config).get(verdictKey(kind, object));
    expect(condition).toMatchObject({ status: "True", reason: "Reconciled", message: `in force, but: ${remark}` });
    const request = { uid: "1", kind: { kind }, operation: "CREATE", object } as const;
    expect(review(request, none)).toEqual({ uid: "1", allowed: true, warnings: [remark] });
    expect(review({ ...request, operation: "UPDATE" }, there)).not.toHaveProperty("warnings");
  });
});
