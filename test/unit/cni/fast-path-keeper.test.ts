import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { FastPath } from "../../../cni/fast-path.ts";
import { keepFastPath } from "../../../cni/fast-path-keeper.ts";
import { silentLog } from "../../../core/mod.ts";

const FACTS = { leases: [], links: [], routes: [], uplink: undefined, tunnel: undefined };

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A keeper on something that stands in for the kernel: `left` links have no program yet. */
function keepFakePath(left: number) {
  const mosts: number[] = [];
  const path: FastPath = {
    apply: (_, most) => {
      mosts.push(most);
      const entered = Math.min(most, left);
      left -= entered;
      return { problems: [], entered, waiting: left };
    },
    close: () => {},
  };
  const keeper = keepFastPath(
    true,
    silentLog(),
    () => keeper.apply(FACTS),
    () => path,
  );
  return { keeper, mosts };
}

test("keepFastPath() makes one entrance at a time, 200 ms apart, until none waits", () => {
  const { keeper, mosts } = keepFakePath(3);
  keeper.apply(FACTS);
  keeper.apply(FACTS); // others' news meanwhile
  expect(mosts).toEqual([1, 0]);
  vi.advanceTimersByTime(199);
  expect(mosts).toEqual([1, 0]);
  vi.advanceTimersByTime(1);
  expect(mosts).toEqual([1, 0, 1]);
  vi.advanceTimersByTime(10_000);
  expect(mosts).toEqual([1, 0, 1, 1]);
});

test("keepFastPath() does nothing more once it is closed", () => {
  const { keeper, mosts } = keepFakePath(3);
  keeper.apply(FACTS);
  keeper.close();
  vi.advanceTimersByTime(10_000);
  expect(mosts).toEqual([1]);
});
