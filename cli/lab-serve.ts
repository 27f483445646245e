import { createLog, explainError, IronbridgeError } from "../core/mod.ts";
import { followLabSettings, startLab } from "../lab/mod.ts";
import { type LabChoice, needRoot } from "./lab-choice.ts";

/** What the process that holds the lab tells the one that started it. */
export type LabMessage =
  | { readonly kind: "step"; readonly text: string }
  | { readonly kind: "ready" }
  | { readonly kind: "failed"; readonly text: string };

/** `ironbridge lab serve`: holds a lab until it is told to end. */
export async function labServe({ directory, tag, nodes, proxyMode }: LabChoice, signal: AbortSignal): Promise<void> {
  needRoot("lab serve");
  const log = createLog("lab", "info");
  const onStep = (text: string) => {
    log.info({ event: "lab.step" }, text);
    tell({ kind: "step", text });
  };
  const options = { dir: directory.path, nodes, proxyMode, log, onStep, ...(tag !== undefined ? { tag } : {}) };
  try {
    const lab = await startLab(options);
    await followLabSettings(lab, proxyMode, log);
    log.info({ event: "lab.ready" }, "ready");
    tell({ kind: "ready" });
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    await lab.stop();
  } catch (error) {
    tell({ kind: "failed", text: explainError(error) });
    throw error instanceof IronbridgeError ? error : new IronbridgeError("IB_LAB_FAILED", "lab", { cause: error });
  }
}

/** Nobody listens when the lab was started by hand, or when the starter has gone. */
function tell(message: LabMessage): void {
  if (process.connected) process.send?.(message);
}
