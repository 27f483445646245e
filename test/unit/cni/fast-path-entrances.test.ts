import { describe, expect, test } from "vitest";
import { clearEntrances, openEntrances } from "../../../cni/fast-path-entrances.ts";
import type { FastPathEntrance } from "../../../cni/fast-path-plan.ts";
import { type FakeRtnetlink, fakeRtnetlink } from "../../../linux/mod.ts";

const [EARLIER, POD, NODE] = [1, 2, 3].map((fd) => ({ fd, close: () => {} })) as [Program, Program, Program];
type Program = { readonly fd: number; close(): void };
const PROGRAMS = { pod: POD, node: NODE };

function addPort(kernel: FakeRtnetlink, name: string): number {
  return kernel.createIfb({ name, mtu: 1500 }).index;
}

function wanted(...ports: readonly number[]): ReadonlyMap<string, FastPathEntrance> {
  return new Map(ports.map((ifindex) => [String(ifindex), { ifindex, kind: "pod" }]));
}

describe("openEntrances()", () => {
  test("gives pods' links the program, takes it from those no longer wanted, and leaves it there at the end", () => {
    const kernel = fakeRtnetlink();
    const [a, b] = [addPort(kernel, "a"), addPort(kernel, "b")];
    const entrances = openEntrances(kernel, PROGRAMS);
    expect(entrances.apply(wanted(a, b))).toEqual([]);
    expect([kernel.ingressFilter(a), kernel.ingressFilter(b)]).toEqual([POD, POD]);
    entrances.apply(wanted(b));
    entrances.close();
    expect([kernel.ingressFilter(a), kernel.ingressFilter(b)]).toEqual([undefined, POD]);
  });

  test("replaces programs of an earlier run without a moment between, and takes those of links not wanted", () => {
    const kernel = fakeRtnetlink();
    const [a, b] = [addPort(kernel, "a"), addPort(kernel, "b")];
    for (const link of [a, b]) kernel.filterIngress(link, EARLIER);
    const entrances = openEntrances(kernel, PROGRAMS);
    expect([kernel.ingressFilter(a), kernel.ingressFilter(b)]).toEqual([EARLIER, EARLIER]);
    entrances.apply(wanted(a));
    expect([kernel.ingressFilter(a), kernel.ingressFilter(b)]).toEqual([POD, undefined]);
  });

  test("has nothing to say of a pod that has gone meanwhile, before or after it got the program", () => {
    const kernel = fakeRtnetlink();
    const [a, b] = [addPort(kernel, "a"), addPort(kernel, "b")];
    const entrances = openEntrances(kernel, PROGRAMS);
    kernel.deleteLink(a);
    expect(entrances.apply(wanted(a, b))).toEqual([]);
    kernel.deleteLink(b);
    expect(entrances.apply(wanted())).toEqual([]);
  });
});

test("a link that is prepared has room for the program, and none yet", () => {
  const kernel = fakeRtnetlink();
  const port = addPort(kernel, "a");
  openEntrances(kernel, PROGRAMS).prepare(port);
  expect([kernel.qdiscs(port), kernel.hasIngressFilter(port)]).toEqual([[{ kind: "clsact" }], false]);
});

test("clearEntrances() takes the programs of all links", () => {
  const kernel = fakeRtnetlink();
  const ports = ["a", "b"].map((name) => addPort(kernel, name));
  for (const port of ports) kernel.filterIngress(port, EARLIER);
  clearEntrances(kernel);
  expect(ports.map((port) => kernel.hasIngressFilter(port))).toEqual([false, false]);
});
