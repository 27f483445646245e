import { describe, expect, test } from "vitest";
import type { FastPath } from "../../../cni/fast-path.ts";
import { keepFastPath } from "../../../cni/fast-path-keeper.ts";
import { IronbridgeError, silentLog } from "../../../core/mod.ts";
import { fakeRtnetlink } from "../../../linux/mod.ts";

const FACTS = { leases: [], links: [], routes: [], uplink: undefined, tunnel: undefined };
const PROGRAM = { fd: 7, close: () => {} };

/** A node whose pod has the short way from an earlier run. */
function nodeWithPod() {
  const kernel = fakeRtnetlink();
  const { index: port } = kernel.createIfb({ name: "port", mtu: 1500 });
  kernel.filterIngress(port, PROGRAM);
  return { kernel, port };
}

describe("keepFastPath()", () => {
  test("opens it once, with the first facts, and hands on what the kernel refused", () => {
    const { kernel, port } = nodeWithPod();
    const answers = [["refused"], []];
    let opened = 0;
    const path: FastPath = { prepare: () => {}, apply: () => answers.shift()!, close: () => {} };
    const open = () => {
      opened += 1;
      return path;
    };
    const keeper = keepFastPath(true, kernel, silentLog(), open);
    expect([keeper.state(), opened]).toEqual(["not open yet", 0]);
    expect([keeper.apply(FACTS), keeper.apply(FACTS)]).toEqual([["refused"], []]);
    expect([keeper.state(), opened]).toEqual(["on", 1]);
    expect(kernel.hasIngressFilter(port)).toBe(true);
  });

  test("opens it for the first pod, and pods do without when their links can't be prepared", () => {
    const { kernel, port } = nodeWithPod();
    const prepared: number[] = [];
    const prepare = (ifindex: number) => {
      prepared.push(ifindex);
      throw new IronbridgeError("IB_KERNEL_REFUSED", "no such queueing discipline");
    };
    const keeper = keepFastPath(true, kernel, silentLog(), () => ({ prepare, apply: () => [], close: () => {} }));
    keeper.prepare(port);
    expect([keeper.state(), prepared]).toEqual(["on", [port]]);
    keepFastPath(false, kernel, silentLog(), refuse).prepare(port);
  });

  const refuse = () => {
    throw new IronbridgeError("IB_KERNEL_REFUSED", "too old");
  };
  test.each([
    { name: "that is off", wanted: false, state: "off" },
    { name: "that this kernel can't have", wanted: true, state: "too old" },
  ])("takes what an earlier run left from pods' links for one $name", ({ wanted, state }) => {
    const { kernel, port } = nodeWithPod();
    const keeper = keepFastPath(wanted, kernel, silentLog(), refuse);
    expect(keeper.apply(FACTS)).toEqual([]);
    expect([keeper.state(), kernel.hasIngressFilter(port)]).toEqual([state, false]);
  });

  test("tries again what could not be taken, and asks no more when it was", () => {
    const { kernel, port } = nodeWithPod();
    let looks = 0;
    let isRefused = true;
    const reluctant = new Proxy(kernel, {
      get: (target, name) => {
        if (name === "links") looks += 1;
        if (name === "unfilterIngress" && isRefused) return refuse;
        return Reflect.get(target, name).bind(target);
      },
    });
    const keeper = keepFastPath(false, reluctant, silentLog());
    expect(keeper.apply(FACTS)).toEqual(["too old"]);
    isRefused = false;
    expect([keeper.apply(FACTS), keeper.apply(FACTS)]).toEqual([[], []]);
    expect([looks, kernel.hasIngressFilter(port)]).toEqual([2, false]);
  });
});
