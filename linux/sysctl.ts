import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
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

/** Names of the settings, or directories of them, right below `directory`, such as net/ipv4/conf; none where it is not there. */
export function listSysctls(directory: string): string[] {
  try {
    return readdirSync(`/proc/sys/${directory}`);
  } catch (error) {
    if (hasErrno(error, "ENOENT")) return [];
    throw fileError(`list the kernel settings of ${directory}`, error);
  }
}

/** Of a container, /proc/sys is read-only, but its manifest may mount net/ of the node's here. */
const NODE_SETTINGS = "/host/proc/sys";

/** Sets it when it differs. Keys use slashes, because interface names hold dots. @throws {IronbridgeError} IB_KERNEL_REFUSED */
export function writeSysctl(key: string, value: string): void {
  if (readSysctl(key) !== value) change(key, value);
}

/** The same, where this kernel has such a setting. @throws {IronbridgeError} IB_KERNEL_REFUSED */
export function writeOptionalSysctl(key: string, value: string): void {
  const present = readSysctl(key);
  if (present !== undefined && present !== value) change(key, value);
}

function change(key: string, value: string): void {
  try {
    writeSetting(key, value);
  } catch (error) {
    throw fileError(`set the kernel setting ${key} to "${value}"`, error);
  }
}

function writeSetting(key: string, value: string): void {
  try {
    writeFileSync(`/proc/sys/${key}`, value);
  } catch (error) {
    if (!hasErrno(error, "EROFS") || !existsSync(`${NODE_SETTINGS}/net`)) throw error;
    writeFileSync(`${NODE_SETTINGS}/${key}`, value);
  }
}
