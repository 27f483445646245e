import { explainError, type Log } from "../core/mod.ts";
import { type FastPath, openFastPath } from "./fast-path.ts";
import { type FastPathFacts, fastPathPlan } from "./fast-path-plan.ts";

/**
 * Milliseconds between two links that become entrances. For each the kernel waits for a grace period (about 20 ms) and lets
 * nobody change links meanwhile, agents of many new pods among them: include/net/tcx.h, tcx_entry_sync().
 */
const ENTRANCE_INTERVAL = 200;

/** The short way between pods as the node's network keeps it: opened when there is something to apply. */
export interface FastPathKeeper {
  /** @returns What the kernel refused; the next call tries it again. */
  apply(facts: FastPathFacts): readonly string[];
  /** "on", "off", or why this kernel can't have it. */
  state(): string;
  close(): void;
}

/**
 * A kernel that can't have the short way is asked once: pods do without.
 * @param again Called when it is time for the next apply().
 * @param openPath Stands in for the kernel in tests.
 */
export function keepFastPath(
  wanted: boolean,
  log: Log,
  again: () => void,
  openPath: () => FastPath = openFastPath,
): FastPathKeeper {
  let path: FastPath | undefined;
  let enteredAt = Number.NEGATIVE_INFINITY;
  let timer: NodeJS.Timeout | undefined;
  let state = wanted ? "not open yet" : "off";
  const open = () => {
    try {
      path = openPath();
      state = "on";
    } catch (error) {
      state = explainError(error);
    }
    log.info({ event: "cni.fast_path", state }, "established connections between pods: the short way");
  };
  const next = () => {
    timer = undefined;
    again();
  };
  return {
    apply: (facts) => {
      if (state === "not open yet") open();
      if (path === undefined) return [];
      const isTime = performance.now() - enteredAt >= ENTRANCE_INTERVAL;
      const { problems, entered, waiting } = path.apply(fastPathPlan(facts), isTime ? 1 : 0);
      if (entered > 0) enteredAt = performance.now();
      if (waiting > 0) timer ??= setTimeout(next, ENTRANCE_INTERVAL);
      return problems;
    },
    state: () => state,
    close: () => {
      clearTimeout(timer);
      path?.close();
    },
  };
}
