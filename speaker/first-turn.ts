import { constants, setPriority } from "node:os";
import { explainError } from "../core/mod.ts";

/**
 * Lets the calling thread, and only it, go before all work that has no hurry: the times it keeps are shorter than a busy
 * machine's queue. Linux has a nice value for each thread, setpriority(2).
 * @returns Why it may not, with CAP_SYS_NICE missing; undefined when it does.
 */
export function takeFirstTurn(): string | undefined {
  try {
    setPriority(constants.priority.PRIORITY_HIGH);
    return undefined;
  } catch (error) {
    return explainError(error);
  }
}
