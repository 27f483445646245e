import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { AddJson } from "./cni-lab.ts";

/** What a container runtime knows of one ADD. */
export interface KnownAdd {
  readonly containerId: string;
  readonly netns: string;
  readonly result: AddJson;
  readonly capabilityArgs: object;
}

/** As libcni writes it after ADD, into the directory of its results. */
export function remember(resultDir: string, { containerId, ...known }: KnownAdd): void {
  mkdirSync(resultDir, { recursive: true });
  const entry = { kind: "cniCacheV1", containerId, ifName: "eth0", networkName: "ironbridge", ...known };
  writeFileSync(pathOf(resultDir, containerId), JSON.stringify(entry));
}

/** As libcni does after DEL. */
export function forget(resultDir: string, containerId: string): void {
  rmSync(pathOf(resultDir, containerId), { force: true });
}

function pathOf(resultDir: string, containerId: string): string {
  return join(resultDir, `ironbridge-${containerId}-eth0`);
}
