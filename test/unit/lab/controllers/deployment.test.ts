import { describe, expect, test } from "vitest";
import { decideRollout, replicaSetOf } from "../../../../lab/controllers/mod.ts";
import type { V1Deployment, V1ReplicaSet } from "../../../../lab/resource.ts";

function deployment(
  replicas: number,
  strategy?: NonNullable<V1Deployment["spec"]>["strategy"],
  image = "nginx",
): V1Deployment {
  return {
    metadata: { name: "web", namespace: "default", uid: "d1" },
    spec: {
      replicas,
      selector: { matchLabels: { app: "web" } },
      template: { metadata: { labels: { app: "web" } }, spec: { containers: [{ name: "c", image }] } },
      ...(strategy !== undefined ? { strategy } : {}),
    },
  };
}

function set(name: string, size: number, available = size): V1ReplicaSet {
  return {
    metadata: { name },
    spec: { replicas: size, selector: {} },
    status: { replicas: size, availableReplicas: available },
  };
}

describe("decideRollout()", () => {
  const cases: {
    readonly name: string;
    readonly of: V1Deployment;
    readonly now: readonly [number, number];
    readonly before?: readonly [number, number];
    readonly want: Record<string, number>;
  }[] = [
    { name: "a new Deployment gets all its pods at once", of: deployment(3), now: [0, 0], want: { new: 3 } },
    { name: "a finished one is left alone", of: deployment(3), now: [3, 3], before: [0, 0], want: {} },
    { name: "scaling down", of: deployment(1), now: [3, 3], want: { new: 1 } },
    {
      name: "a new template first gets the surge (25 % of 4 is 1)",
      of: deployment(4),
      now: [0, 0],
      before: [4, 4],
      want: { new: 1, old: 3 },
    },
    { name: "old pods go as new ones are there", of: deployment(4), now: [2, 2], before: [3, 3], want: { old: 1 } },
    { name: "no old pod goes while too few are there", of: deployment(4), now: [2, 0], before: [3, 3], want: {} },
    { name: "old pods that serve nobody go first", of: deployment(4), now: [1, 0], before: [4, 3], want: { old: 3 } },
    {
      name: "with neither surge nor absence one may be absent",
      of: deployment(2, { rollingUpdate: { maxSurge: 0, maxUnavailable: 0 } }),
      now: [0, 0],
      before: [2, 2],
      want: { old: 1 },
    },
    {
      name: "Recreate empties first",
      of: deployment(2, { type: "Recreate" }),
      now: [0, 0],
      before: [2, 2],
      want: { old: 0 },
    },
    {
      name: "Recreate fills afterwards",
      of: deployment(2, { type: "Recreate" }),
      now: [0, 0],
      before: [0, 0],
      want: { new: 2 },
    },
  ];
  test.each(cases)("$name", ({ of, now, before, want }) => {
    const older = before === undefined ? [] : [set("old", ...before)];
    const scales = decideRollout(of, set("new", ...now), older);
    expect(Object.fromEntries(scales.map(({ set: { metadata }, replicas }) => [metadata?.name, replicas]))).toEqual(
      want,
    );
  });
});

describe("replicaSetOf()", () => {
  test("has a name that follows from the template, and the template's labels in its selector", () => {
    const one = replicaSetOf(deployment(1), 1);
    expect(replicaSetOf(deployment(5), 2).metadata?.name).toBe(one.metadata?.name);
    expect(replicaSetOf(deployment(1, undefined, "nginx:2"), 2).metadata?.name).not.toBe(one.metadata?.name);
    const hash = one.metadata?.labels?.["pod-template-hash"];
    expect(one.spec?.selector.matchLabels).toEqual({ app: "web", "pod-template-hash": hash });
    expect(one.spec?.template?.metadata?.labels).toEqual({ app: "web", "pod-template-hash": hash });
  });
});
