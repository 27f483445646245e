/** Registers of eBPF: R0 holds results, R1 to R5 arguments, R6 to R9 outlive calls, R10 is the end of the stack. */
export type Register = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10;
export type Width = "u8" | "u16" | "u32" | "u64";
export type Condition = "==" | "!=" | ">" | "any of";

/** One instruction, or the name of the place after it. Documentation/bpf/standardization/instruction-set.rst */
export type EbpfItem = EbpfInstruction | { readonly label: string };

interface EbpfInstruction {
  readonly code: number;
  readonly destination?: Register;
  /** A register, or what kind of number `immediate` is. */
  readonly source?: number;
  readonly offset?: number;
  readonly immediate?: number;
  /** Label to jump to. */
  readonly target?: string;
}

/** linux/bpf_common.h and linux/bpf.h. */
const SIZE: Readonly<Record<Width, number>> = { u32: 0x00, u16: 0x08, u8: 0x10, u64: 0x18 };
const LOAD = 0x61;
const STORE = 0x63;
const STORE_NUMBER = 0x62;
const MOVE = 0xb7;
const ADD = 0x07;
const AND = 0x57;
const EXIT = 0x95;
const JUMP_ALWAYS = 0x05;
const CALL = 0x85;
const LOAD_WIDE = 0x18;
const JUMP: Readonly<Record<Condition, number>> = { "==": 0x15, ">": 0x25, "any of": 0x45, "!=": 0x55 };
const FROM_REGISTER = 0x08;
const PSEUDO_MAP_FD = 1;
const PSEUDO_KERNEL_FUNCTION = 2;

/** What an instruction works with beside its first register: a register by name, or a number. */
export type Operand = number | { readonly register: Register };

/** Reads memory at `base` + `offset` into `destination`. */
export function load(width: Width, destination: Register, base: Register, offset: number): EbpfItem {
  return { code: LOAD | SIZE[width], destination, source: base, offset };
}

/** Writes a register, or a number of 32 bits, to memory at `base` + `offset`. */
export function store(width: Width, base: Register, offset: number, value: Operand): EbpfItem {
  if (typeof value === "number")
    return { code: STORE_NUMBER | SIZE[width], destination: base, offset, immediate: value };
  return { code: STORE | SIZE[width], destination: base, source: value.register, offset };
}

export function move(destination: Register, value: Operand): EbpfItem {
  return withOperand(MOVE, destination, value);
}

export function add(destination: Register, value: Operand): EbpfItem {
  return withOperand(ADD, destination, value);
}

export function and(destination: Register, value: Operand): EbpfItem {
  return withOperand(AND, destination, value);
}

/** Goes on at `target` when the register compares so with `value`: as numbers without sign, "any of" as sets of bits. */
export function jumpIf(left: Register, condition: Condition, right: Operand, target: string): EbpfItem {
  return { ...withOperand(JUMP[condition], left, right), target };
}

export function jump(target: string): EbpfItem {
  return { code: JUMP_ALWAYS, target };
}

/** Calls a helper by its number. bpf-helpers(7) */
export function call(helper: number): EbpfItem {
  return { code: CALL, immediate: helper };
}

/** Calls a function of the kernel by its number in the kernel's type information. */
export function callKernel(id: number): EbpfItem {
  return { code: CALL, source: PSEUDO_KERNEL_FUNCTION, immediate: id };
}

/** The map that `fd` is open on. */
export function loadMap(destination: Register, fd: number): EbpfItem[] {
  return [{ code: LOAD_WIDE, destination, source: PSEUDO_MAP_FD, immediate: fd }, { code: 0 }];
}

export function exit(): EbpfItem {
  return { code: EXIT };
}

export function label(name: string): EbpfItem {
  return { label: name };
}

/**
 * An array of struct bpf_insn: code 8 bits, registers 4 each, offset 16, immediate 32, in host order (little).
 * @throws {RangeError} for a jump to a label that does not follow, and for a second label of one name.
 */
export function assemble(items: readonly EbpfItem[]): Uint8Array {
  const labels = new Map<string, number>();
  const instructions: EbpfInstruction[] = [];
  for (const item of items) {
    if (!("label" in item)) instructions.push(item);
    else if (labels.has(item.label)) throw new RangeError(`the program has two labels "${item.label}"`);
    else labels.set(item.label, instructions.length);
  }
  const view = new DataView(new ArrayBuffer(instructions.length * INSTRUCTION_LENGTH));
  instructions.forEach(({ code, destination = 0, source = 0, offset = 0, immediate = 0, target }, i) => {
    view.setUint8(i * INSTRUCTION_LENGTH, code);
    view.setUint8(i * INSTRUCTION_LENGTH + 1, destination | (source << 4));
    view.setInt16(i * INSTRUCTION_LENGTH + 2, target === undefined ? offset : distance(labels, target, i), true);
    view.setUint32(i * INSTRUCTION_LENGTH + 4, immediate >>> 0, true);
  });
  return new Uint8Array(view.buffer);
}

export const INSTRUCTION_LENGTH = 8;

function withOperand(code: number, destination: Register, value: Operand): EbpfInstruction {
  if (typeof value === "number") return { code, destination, immediate: value };
  return { code: code | FROM_REGISTER, destination, source: value.register };
}

/** Jumps count from the instruction after them, and the kernel wants no loops here: forward only. */
function distance(labels: ReadonlyMap<string, number>, target: string, from: number): number {
  const to = labels.get(target);
  if (to !== undefined && to > from) return to - from - 1;
  throw new RangeError(`no label "${target}" after instruction ${from} of the program`);
}
