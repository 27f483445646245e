import { IronbridgeError } from "../core/mod.ts";

/** The kernel's description of its own functions and types. Documentation/bpf/btf.rst */
export interface KernelTypes {
  /** Number of a function that programs may call; undefined when this kernel has none of that name. */
  functionId(name: string): number | undefined;
  /** Octets from the start of struct or union `type` to its member `name`; undefined when there is none. */
  memberOffset(type: string, name: string): number | undefined;
}

const MAGIC = 0xeb9f;
/** name, kind and number of members, size or type: 32 bits each. */
const TYPE_LENGTH = 12;
const MEMBER_LENGTH = 12;
const HEADER_LENGTH = 24;
/** The other bits are the width of a bit field. */
const BIT_OFFSET_MASK = 0xff_ffff;
const KIND = { STRUCT: 4, UNION: 5, FUNCTION: 12 } as const;
/** Octets after each kind's header, by kind: once, and per member. */
const REST: readonly { readonly once?: number; readonly each?: number }[] = [
  {}, // void, then in the order of BTF_KIND_*: int, pointer, array, struct, union, enum
  { once: 4 },
  {},
  { once: 12 },
  { each: MEMBER_LENGTH },
  { each: MEMBER_LENGTH },
  { each: 8 },
  {}, // forward, typedef, volatile, const, restrict, function
  {},
  {},
  {},
  {},
  {},
  { each: 8 }, // prototype, variable, section, float, two tags, wide enum
  { once: 4 },
  { each: 12 },
  {},
  { once: 4 },
  {},
  { each: 12 },
];

/**
 * Reads the contents of /sys/kernel/btf/vmlinux. One walk over all types, some 100 ms: keep the result.
 * @param names Functions and types that will be asked for.
 * @throws {IronbridgeError} IB_KERNEL_REFUSED for what is no such description, or holds a kind of type not known here.
 */
export function readKernelTypes(bytes: Uint8Array, names: readonly string[]): KernelTypes {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const at = (offset: number) => view.getUint32(offset, true);
  if (bytes.length < HEADER_LENGTH || view.getUint16(0, true) !== MAGIC) throw invalid("it lacks the magic number");
  const header = at(4);
  const [types, end, texts] = [header + at(8), header + at(8) + at(12), header + at(16)];
  const isNamed = (offset: number, name: string) => {
    const start = texts + at(offset);
    for (let i = 0; i < name.length; i++) if (bytes[start + i] !== name.charCodeAt(i)) return false;
    return bytes[start + name.length] === 0;
  };

  const functions = new Map<string, number>();
  const structures = new Map<string, { readonly offset: number; readonly members: number }>();
  for (let [offset, id] = [types, 1]; offset < end; id++) {
    const info = at(offset + 4);
    const [kind, members] = [(info >>> 24) & 0x1f, info & 0xffff];
    const { once = 0, each = 0 } = REST[kind] ?? unknownKind(kind);
    const isStructure = kind === KIND.STRUCT || kind === KIND.UNION;
    const name = isStructure || kind === KIND.FUNCTION ? names.find((known) => isNamed(offset, known)) : undefined;
    if (name !== undefined && isStructure) structures.set(name, { offset, members });
    else if (name !== undefined) functions.set(name, id);
    offset += TYPE_LENGTH + once + each * members;
  }
  const memberOffset = (type: string, name: string) => {
    const { offset = 0, members = 0 } = structures.get(type) ?? {};
    const all = Array.from({ length: members }, (_, i) => offset + TYPE_LENGTH + i * MEMBER_LENGTH);
    const found = all.find((member) => isNamed(member, name));
    return found === undefined ? undefined : (at(found + 8) & BIT_OFFSET_MASK) / 8;
  };
  return { functionId: (name) => functions.get(name), memberOffset };
}

function unknownKind(kind: number): never {
  throw invalid(`it holds a type of kind ${kind}, which is not known here`);
}

function invalid(reason: string): IronbridgeError {
  return new IronbridgeError("IB_KERNEL_REFUSED", `the kernel's type information can't be read: ${reason}`);
}
