import { explainError, type Log } from "../core/mod.ts";
import { type FastPath, openFastPath } from "./fast-path.ts";
import { type FastPathFacts, fastPathPlan } from "./fast-path-plan.ts";

/** The short way between pods as the node's network keeps it: opened when there is something to apply. */
export interface FastPathKeeper {
  /** @returns What the kernel refused; the next call tries it again. */
  apply(facts: FastPathFacts): readonly string[];
  /** "on", "off", or why this kernel can't have it. */
  state(): string;
  close(): void;
}

/** A kernel that can't have the short way is asked once: pods do without. */
export function keepFastPath(wanted: boolean, log: Log): FastPathKeeper {
  let path: FastPath | undefined;
  let state = wanted ? "not open yet" : "off";
  const open = () => {
    try {
      path = openFastPath();
      state = "on";
    } catch (error) {
      state = explainError(error);
    }
    log.info({ event: "cni.fast_path", state }, "established connections between pods: the short way");
  };
  return {
    apply: (facts) => {
      if (state === "not open yet") open();
      return path?.apply(fastPathPlan(facts)) ?? [];
    },
    state: () => state,
    close: () => path?.close(),
  };
}
