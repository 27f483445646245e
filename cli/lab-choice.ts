import type { ProxyMode } from "../config/mod.ts";
import { IronbridgeError } from "../core/mod.ts";
import type { LabDirectory } from "../lab/mod.ts";

/** Which lab, and how it should be. */
export interface LabChoice {
  readonly directory: LabDirectory;
  readonly tag: string | undefined;
  readonly nodes: number;
  readonly proxyMode: ProxyMode;
}

/** @throws {IronbridgeError} IB_OPTION_INVALID for anybody but root: namespaces and rules are root's. */
export function needRoot(what: string): void {
  if (process.getuid?.() === 0) return;
  throw new IronbridgeError("IB_OPTION_INVALID", `${what} needs root: run it with sudo`);
}
