import { type Address, printAddress, printMac } from "../net/mod.ts";
import type { CniVersion, Dns } from "./network-config.ts";

/** An interface that ADD made. */
export interface ResultInterface {
  readonly name: string;
  readonly mac: Uint8Array;
  /** Octets. */
  readonly mtu: number;
  /** Path of the pod's namespace; absent for interfaces of the node. */
  readonly sandbox?: string;
}

/** What ADD reports. */
export interface AddResult {
  /** The pod's own is the one with a sandbox. */
  readonly interfaces: readonly ResultInterface[];
  readonly addresses: readonly PodAddress[];
  /** Where the default routes that were made lead. */
  readonly gateways: readonly Address[];
  readonly dns: Dns;
}

/** An address of a pod. */
export interface PodAddress {
  readonly address: Address;
  /** Bits of the node's pod prefix. */
  readonly length: number;
  readonly gateway: Address;
}

const DEFAULT_ROUTE = { ipv4: "0.0.0.0/0", ipv6: "::/0" } as const;

/** The result as JSON in the shape of `version`. https://www.cni.dev/docs/spec/#section-5-result-types */
export function printResult(result: AddResult, version: CniVersion): string {
  const namesFamily = version < "1.0.0"; // 1.0.0 dropped ips[].version
  const tellsMtu = version >= "1.1.0";
  return `${JSON.stringify({
    cniVersion: version,
    interfaces: result.interfaces.map(({ name, mac, mtu, sandbox }) => ({
      name,
      mac: printMac(mac),
      ...(tellsMtu ? { mtu } : {}),
      ...(sandbox === undefined ? {} : { sandbox }),
    })),
    ips: result.addresses.map(({ address, length, gateway }) => ({
      ...(namesFamily ? { version: address.family === "ipv4" ? "4" : "6" } : {}),
      address: `${printAddress(address)}/${length}`,
      gateway: printAddress(gateway),
      interface: result.interfaces.findIndex(({ sandbox }) => sandbox !== undefined),
    })),
    routes: result.gateways.map((gateway) => ({ dst: DEFAULT_ROUTE[gateway.family], gw: printAddress(gateway) })),
    dns: result.dns,
  })}\n`;
}
