import { INSTRUCTION_LENGTH } from "./ebpf-assembler.ts";
import { addressOf, bpf, check, close } from "./libc.ts";

/** Something open in the kernel: it is gone when nothing holds it any more. */
export interface KernelObject {
  readonly fd: number;
  close(): void;
}

/** A map that programs read and this process writes. */
export interface EbpfMap extends KernelObject {
  /** @throws {IronbridgeError} IB_KERNEL_REFUSED, also when it is full. */
  set(key: Uint8Array, value: Uint8Array): void;
  /** @throws {IronbridgeError} IB_KERNEL_REFUSED, also when there is no such key. */
  delete(key: Uint8Array): void;
}

export interface EbpfMapOptions {
  /** "prefix" finds the longest prefix: its keys are a length of 32 bits and the octets. */
  readonly kind: "hash" | "prefix";
  readonly keyLength: number;
  readonly valueLength: number;
  /** Most entries. */
  readonly capacity: number;
}

/** linux/bpf.h: commands, kinds of maps and programs, where programs are attached. */
const BPF = { MAP_CREATE: 0, MAP_UPDATE: 2, MAP_DELETE: 3, PROG_LOAD: 5, LINK_CREATE: 28 } as const;
const MAP_KIND = { hash: 1, prefix: 11 } as const;
const BPF_F_NO_PREALLOC = 1;
const PROGRAM_OF_TRAFFIC_CONTROL = 3;
const BPF_TCX_INGRESS = 46;
/** Octets of union bpf_attr that any command here uses. */
const ATTRIBUTES_LENGTH = 64;

/** @throws {IronbridgeError} IB_KERNEL_REFUSED */
export function createEbpfMap({ kind, keyLength, valueLength, capacity }: EbpfMapOptions): EbpfMap {
  const sizes = [MAP_KIND[kind], keyLength, valueLength, capacity, BPF_F_NO_PREALLOC];
  const fd = run(`create a map of ${capacity} entries`, BPF.MAP_CREATE, (view) => {
    for (const [i, size] of sizes.entries()) view.setUint32(i * 4, size, true);
  });
  return {
    fd,
    set: (key, value) => {
      run("write an entry of a map", BPF.MAP_UPDATE, (view) => {
        view.setUint32(0, fd, true);
        view.setBigUint64(8, addressOf(key), true);
        view.setBigUint64(16, addressOf(value), true);
      });
    },
    delete: (key) => {
      run("delete an entry of a map", BPF.MAP_DELETE, (view) => {
        view.setUint32(0, fd, true);
        view.setBigUint64(8, addressOf(key), true);
      });
    },
    close: () => close(fd),
  };
}

/**
 * Loads a program for packets that come in by links; the kernel proves first that it can do no harm.
 * @param license As the kernel knows it: functions of the kernel are for programs that may be used under the GPL.
 * @throws {IronbridgeError} IB_KERNEL_REFUSED
 */
export function loadEbpfProgram(name: string, instructions: Uint8Array, license: string): KernelObject {
  const text = new TextEncoder().encode(`${license}\0`);
  const fd = run(`load the eBPF program ${name}`, BPF.PROG_LOAD, (view) => {
    view.setUint32(0, PROGRAM_OF_TRAFFIC_CONTROL, true);
    view.setUint32(4, instructions.length / INSTRUCTION_LENGTH, true);
    view.setBigUint64(8, addressOf(instructions), true);
    view.setBigUint64(16, addressOf(text), true);
    new TextEncoder().encodeInto(name, new Uint8Array(view.buffer, 48, 15));
  });
  return { fd, close: () => close(fd) };
}

/**
 * Runs the program on what comes in by the link, until the result is closed or this process ends. Needs kernel 6.6.
 * @throws {IronbridgeError} IB_KERNEL_REFUSED
 */
export function attachEbpfProgram(program: KernelObject, ifindex: number): KernelObject {
  const fd = run(`run an eBPF program on the link of index ${ifindex}`, BPF.LINK_CREATE, (view) => {
    for (const [i, value] of [program.fd, ifindex, BPF_TCX_INGRESS].entries()) view.setUint32(i * 4, value, true);
  });
  return { fd, close: () => close(fd) };
}

function run(what: string, command: number, fill: (attributes: DataView) => void): number {
  const view = new DataView(new ArrayBuffer(ATTRIBUTES_LENGTH));
  fill(view);
  return check(bpf(command, new Uint8Array(view.buffer)), what);
}
