import { readFileSync, writeFileSync } from "node:fs";
import { fileError, hasErrno } from "./libc.ts";

/** The value of a kernel setting such as net/ipv4/ip_forward, white space trimmed; undefined when there is none. */
export function readSysctl(key: string): string | undefined {
  try {
    return readFileSync(`/proc/sys/${key}`, "utf8").trim();
  } catch (error) {
    if (hasErrno(error, "ENOENT")) return undefined;
    throw fileError(`read the kernel setting ${key}`, error);
  }
}

/** Sets it when it differs. Keys use slashes, because interface names hold dots. @throws {IronbridgeError} IB_KERNEL_REFUSED */
export function writeSysctl(key: string, value: string): void {
  if (readSysctl(key) === value) return;
  try {
    writeFileSync(`/proc/sys/${key}`, value);
  } catch (error) {
    throw fileError(`set the kernel setting ${key} to "${value}"`, error);
  }
}
