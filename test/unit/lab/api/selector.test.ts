import { describe, expect, test } from "vitest";
import { parseFieldSelector, parseLabelSelector } from "../../../../lab/api/selector.ts";
import { bareApi, kindOf, refusal } from "./support.ts";

const pod = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "a", namespace: "default", labels: { app: "web", tier: "front", size: "5", "x.io/y": "" } },
  spec: { nodeName: "node1" },
  status: { phase: "Running" },
};

describe("parseLabelSelector()", () => {
  test.each([
    ["", true],
    ["app=web", true],
    ["app==web,tier=front", true],
    ["app=web,tier=back", false],
    ["app!=web", false],
    ["none!=web", true],
    ["app in (web, api)", true],
    ["app in (api)", false],
    ["app notin (api,db)", true],
    ["none notin (api)", true],
    ["app", true],
    ["!app", false],
    ["!none", true],
    ["size>4", true],
    ["size<4", false],
    ["x.io/y=", true],
    ["app in (web),tier notin (back,side),size", true],
  ])("%s picks: %s", (text, want) => {
    expect(parseLabelSelector(text)(pod)).toBe(want);
  });

  test.each(["app in web", "a b", "=x", "app=web=x"])("refuses %s", (text) => {
    expect(refusal(() => parseLabelSelector(text)).status).toBe(400);
  });
});

describe("parseFieldSelector()", () => {
  const pods = kindOf(bareApi(), "pods");

  test.each([
    ["metadata.name=a", true],
    ["metadata.name!=a", false],
    ["spec.nodeName=node1,status.phase!=Succeeded,status.phase!=Failed", true],
    ["metadata.namespace=other", false],
    ["status.podIP=", true],
  ])("%s picks: %s", (text, want) => {
    expect(parseFieldSelector(text, pods)(pod)).toBe(want);
  });

  test("refuses a field the kind can't be selected by, as a real API does", () => {
    expect(refusal(() => parseFieldSelector("spec.hostNetwork=true", pods)).message).toBe(
      "field label not supported: spec.hostNetwork",
    );
  });
});
