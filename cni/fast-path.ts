import { readFileSync } from "node:fs";
import { IronbridgeError } from "../core/mod.ts";
import {
  assemble,
  createEbpfMap,
  type EbpfMap,
  loadEbpfProgram,
  type Rtnetlink,
  readKernelTypes,
  readSysctl,
  writeOptionalSysctl,
} from "../linux/mod.ts";
import { type Address, addressToBytes, type Prefix } from "../net/mod.ts";
import { openEntrances } from "./fast-path-entrances.ts";
import type { Exit, FastPathPlan } from "./fast-path-plan.ts";
import { type Entrance, fastPathProgram, findSymbols, SYMBOL_NAMES } from "./fast-path-program.ts";
import { KernelTable } from "./kernel-table.ts";

/** The short way between pods. */
export interface FastPath {
  /** See Entrances. @throws {IronbridgeError} IB_KERNEL_REFUSED */
  prepare(ifindex: number): void;
  /** @returns What the kernel refused; the next call tries it again. */
  apply(plan: FastPathPlan): readonly string[];
  /** Pods of this node go on with it, as it was last told. What comes from elsewhere takes the ordinary way then. */
  close(): void;
}

/** The licences of the program itself, as the kernel must know them: functions of the kernel are for the GPL's friends. */
const LICENSE = "Dual MIT/GPL";
const KERNEL_TYPES = "/sys/kernel/btf/vmlinux";
const MOST_PODS = 4096;
const MOST_PREFIXES = 65_536;
const CONNTRACK = "net/netfilter/nf_conntrack_tcp";
/** Connection tracking does not see all packets, so that their numbers seem to jump. */
const SETTINGS = [`${CONNTRACK}_be_liberal`, `${CONNTRACK}_ignore_invalid_rst`];
/** Seconds; the kernel's own. */
const DEFAULT_TIMEOUT = 432_000;

/**
 * Opens it in the network namespace of this process.
 * @throws {IronbridgeError} IB_KERNEL_REFUSED when this kernel can't have it.
 */
export function openFastPath(kernel: Rtnetlink): FastPath {
  const symbols = findSymbols(readKernelTypes(readTypes(), SYMBOL_NAMES));
  if (symbols === undefined) throw refused("its connection tracking can't be asked by programs, or is a module");
  const maps = { ipv4: createMaps(4), ipv6: createMaps(16) };
  const fds = { ipv4: fdsOf(maps.ipv4), ipv6: fdsOf(maps.ipv6) };
  const seconds = Number(readSysctl(`${CONNTRACK}_timeout_established`) ?? DEFAULT_TIMEOUT);
  const load = (entrance: Entrance) => {
    const instructions = assemble(fastPathProgram(symbols, fds, entrance, seconds * 1000));
    return loadEbpfProgram(`ironbridge_${entrance}`, instructions, LICENSE);
  };
  const programs = { pod: load("pod"), node: load("node") };

  const entrances = openEntrances(kernel, programs);
  const pods = exits<Address>((address) => [maps[address.family].pods, addressToBytes(address)]);
  const ways = exits<Prefix>((prefix) => [maps[prefix.family].ways, prefixKey(prefix)]);
  return {
    prepare: entrances.prepare,
    apply: (plan) => {
      for (const key of SETTINGS) writeOptionalSysctl(key, "1");
      const problems = [...pods.apply(plan.pods), ...ways.apply(plan.ways)];
      return [...problems, ...entrances.apply(plan.entrances)]; // last: what is let in finds its way
    },
    close: () => {
      entrances.close();
      for (const map of Object.values(maps).flatMap(Object.values<EbpfMap>)) map.close();
      for (const program of Object.values(programs)) program.close();
    },
  };
}

function readTypes(): Uint8Array {
  try {
    return readFileSync(KERNEL_TYPES);
  } catch (cause) {
    throw refused(`${KERNEL_TYPES} can't be read`, cause);
  }
}

function refused(reason: string, cause?: unknown): IronbridgeError {
  return new IronbridgeError("IB_KERNEL_REFUSED", `this kernel has no short way between pods: ${reason}`, { cause });
}

function createMaps(size: number) {
  return {
    pods: createEbpfMap({ kind: "hash", keyLength: size, valueLength: 4, capacity: MOST_PODS }),
    ways: createEbpfMap({ kind: "prefix", keyLength: 4 + size, valueLength: 4, capacity: MOST_PREFIXES }),
  };
}

function fdsOf({ pods, ways }: ReturnType<typeof createMaps>) {
  return { pods: pods.fd, ways: ways.fd };
}

/** The length, then the octets. */
function prefixKey({ family, first, length }: Prefix): Uint8Array {
  return Uint8Array.of(...new Uint8Array(Uint32Array.of(length).buffer), ...addressToBytes({ family, value: first }));
}

function exits<T>(place: (to: T) => readonly [EbpfMap, Uint8Array]): KernelTable<Exit<T>> {
  return new KernelTable<Exit<T>>({
    put: ({ to, ifindex }) => {
      const [map, key] = place(to);
      map.set(key, new Uint8Array(Uint32Array.of(ifindex).buffer));
    },
    take: ({ to }) => {
      const [map, key] = place(to);
      map.delete(key);
    },
    print: ({ ifindex }) => String(ifindex),
  });
}
