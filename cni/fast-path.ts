import { readFileSync } from "node:fs";
import { diffMaps, explainError, IronbridgeError } from "../core/mod.ts";
import {
  assemble,
  attachEbpfProgram,
  createEbpfMap,
  type EbpfMap,
  type KernelObject,
  loadEbpfProgram,
  readKernelTypes,
  readSysctl,
  writeOptionalSysctl,
} from "../linux/mod.ts";
import { type Address, addressToBytes, type Prefix } from "../net/mod.ts";
import type { Exit, FastPathEntrance, FastPathPlan } from "./fast-path-plan.ts";
import { type Entrance, fastPathProgram, findSymbols, SYMBOL_NAMES } from "./fast-path-program.ts";

/** The short way between pods. It ends with this process: packets take the ordinary way then. */
export interface FastPath {
  /** @param mostEntrances New entrances that are made now; the rest waits for the next call. */
  apply(plan: FastPathPlan, mostEntrances: number): Applied;
  close(): void;
}

export interface Applied {
  /** What the kernel refused; the next call tries it again. */
  readonly problems: readonly string[];
  /** Entrances that were made or tried. */
  readonly entered: number;
  /** Entrances that were not tried. */
  readonly waiting: number;
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
export function openFastPath(): FastPath {
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

  const running = new Map<number, KernelObject>();
  const entrances = new Table<FastPathEntrance>(
    ({ ifindex, kind }) => running.set(ifindex, attachEbpfProgram(programs[kind], ifindex)),
    ({ ifindex }) => {
      running.get(ifindex)?.close();
      running.delete(ifindex);
    },
    ({ kind }) => kind,
  );
  const pods = exits<Address>((address) => [maps[address.family].pods, addressToBytes(address)]);
  const ways = exits<Prefix>((prefix) => [maps[prefix.family].ways, prefixKey(prefix)]);
  return {
    apply: (plan, mostEntrances) => {
      for (const key of SETTINGS) writeOptionalSysctl(key, "1");
      const exits = [pods.apply(plan.pods), ways.apply(plan.ways)].flatMap(({ problems }) => problems);
      const { problems, tried, waiting } = entrances.apply(plan.entrances, mostEntrances);
      return { problems: [...exits, ...problems], entered: tried, waiting };
    },
    close: () => {
      for (const link of running.values()) link.close();
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

function exits<T>(place: (to: T) => readonly [EbpfMap, Uint8Array]): Table<Exit<T>> {
  return new Table<Exit<T>>(
    ({ to, ifindex }) => {
      const [map, key] = place(to);
      map.set(key, new Uint8Array(Uint32Array.of(ifindex).buffer));
    },
    ({ to }) => {
      const [map, key] = place(to);
      map.delete(key);
    },
    ({ ifindex }) => String(ifindex),
  );
}

/** Keeps one set of things in the kernel equal to what is wanted; knows what it put there. */
class Table<V> {
  readonly #put: (value: V) => void;
  readonly #take: (value: V) => void;
  readonly #print: (value: V) => string;
  readonly #applied = new Map<string, V>();

  constructor(put: (value: V) => void, take: (value: V) => void, print: (value: V) => string) {
    this.#put = put;
    this.#take = take;
    this.#print = print;
  }

  /** @param most Things that are put now. */
  apply(wanted: ReadonlyMap<string, V>, most = Number.POSITIVE_INFINITY) {
    const problems: string[] = [];
    const attempt = (name: string, work: () => void) => {
      try {
        work();
      } catch (error) {
        problems.push(`${name}: ${explainError(error)}`);
      }
    };
    const { set, remove } = diffMaps(this.#applied, wanted, this.#print);
    for (const name of remove) {
      attempt(name, () => {
        this.#take(this.#applied.get(name)!);
        this.#applied.delete(name);
      });
    }
    const now = [...set].slice(0, most);
    for (const [name, value] of now) {
      attempt(name, () => {
        this.#put(value);
        this.#applied.set(name, value);
      });
    }
    return { problems, tried: now.length, waiting: set.size - now.length };
  }
}
