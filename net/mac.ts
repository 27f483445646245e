import { IronbridgeError } from "../core/mod.ts";

export const MAC_LENGTH = 6;
export const BROADCAST_MAC: Uint8Array = new Uint8Array(MAC_LENGTH).fill(0xff);

/** @throws {IronbridgeError} IB_ADDRESS_INVALID */
export function parseMac(text: string): Uint8Array {
  if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(text)) {
    throw new IronbridgeError("IB_ADDRESS_INVALID", `"${text}" is not a MAC address such as 02:00:00:00:00:01`);
  }
  return Uint8Array.from(text.split(":"), (octet) => Number.parseInt(octet, 16));
}

export function printMac(mac: Uint8Array): string {
  return Array.from(mac, (octet) => octet.toString(16).padStart(2, "0")).join(":");
}
