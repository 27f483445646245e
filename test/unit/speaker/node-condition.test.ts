import { describe, expect, test } from "vitest";
import type { V1Node } from "../../../kube/mod.ts";
import { heededNodes, isExcluded, isReady } from "../../../speaker/node-condition.ts";

const LABEL = "node.kubernetes.io/exclude-from-external-load-balancers";
const node = (name: string, labels: Record<string, string> = {}, ready?: string): V1Node => ({
  metadata: { name, labels },
  status: { conditions: ready === undefined ? [] : [{ type: "Ready", status: ready }] },
});

describe("isReady()", () => {
  test.each([
    ["True", true],
    ["False", false],
    ["Unknown", false],
    [undefined, true],
  ])("%s", (status, want) => {
    expect(isReady(node("a", {}, status))).toBe(want);
  });
});

describe("heededNodes()", () => {
  test("heeds the exclude label while it leaves a node to announce from", () => {
    const heeded = heededNodes([node("a", { [LABEL]: "" }), node("b")]);
    expect(heeded.map(isExcluded)).toEqual([true, false]);
  });

  test("does not heed it when every node has it", () => {
    const heeded = heededNodes([node("a", { [LABEL]: "", zone: "x" }), node("b", { [LABEL]: "" })]);
    expect(heeded.map(isExcluded)).toEqual([false, false]);
    expect(heeded[0]?.metadata?.labels).toEqual({ zone: "x" });
  });
});
