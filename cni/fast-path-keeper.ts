import { explainError, type Log } from "../core/mod.ts";
import type { Rtnetlink } from "../linux/mod.ts";
import { type FastPath, openFastPath } from "./fast-path.ts";
import { clearEntrances } from "./fast-path-entrances.ts";
import { type FastPathFacts, fastPathPlan } from "./fast-path-plan.ts";

/** The short way between pods as the node's network keeps it: opened when the first pod comes, or the first facts. */
export interface FastPathKeeper {
  /** A new pod's link, which is not up yet: what is sent to the pod gets through from then on. Never throws. */
  prepare(ifindex: number): void;
  /** @returns What the kernel refused; the next call tries it again. */
  apply(facts: FastPathFacts): readonly string[];
  /** "on", "off", or why this kernel can't have it. */
  state(): string;
  close(): void;
}

/**
 * A kernel that can't have the short way is asked once: pods do without, also those that had it from an earlier run.
 * @param openPath Stands in for the kernel in tests.
 */
export function keepFastPath(
  wanted: boolean,
  kernel: Rtnetlink,
  log: Log,
  openPath: (kernel: Rtnetlink) => FastPath = openFastPath,
): FastPathKeeper {
  let path: FastPath | undefined;
  let state = wanted ? "not open yet" : "off";
  let isClear = false;
  const open = () => {
    if (state !== "not open yet") return;
    try {
      path = openPath(kernel);
      state = "on";
    } catch (error) {
      state = explainError(error);
    }
    log.info({ event: "cni.fast_path", state }, "established connections between pods: the short way");
  };
  const clear = () => {
    if (isClear) return [];
    try {
      clearEntrances(kernel);
      isClear = true;
      return [];
    } catch (error) {
      return [explainError(error)];
    }
  };
  return {
    prepare: (ifindex) => {
      open(); // the first pod may come before the first facts
      try {
        path?.prepare(ifindex);
      } catch {
        // Pods do without the short way: apply() is refused the same soon, and says so.
      }
    },
    apply: (facts) => {
      open();
      return path === undefined ? clear() : path.apply(fastPathPlan(facts));
    },
    state: () => state,
    close: () => path?.close(),
  };
}
