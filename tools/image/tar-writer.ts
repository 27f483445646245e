import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { IronbridgeError } from "../../core/mod.ts";

/** One member of an archive. The path has no leading slash and, also for a directory, no trailing one. */
export type TarEntry = TarMember & TarOwner;

type TarMember =
  | { readonly kind: "directory"; readonly path: string; readonly mode: number }
  /** The content of a file of this machine, or bytes. */
  | { readonly kind: "file"; readonly path: string; readonly mode: number; readonly content: FileName | Uint8Array }
  | { readonly kind: "symlink"; readonly path: string; readonly target: string };

interface TarOwner {
  /** Numeric; 0 unless told. */
  readonly uid?: number;
  readonly gid?: number;
}

export interface FileName {
  readonly file: string;
}

const BLOCK = 512;
const CHUNK = 1 << 20;
/** The type flag of each kind. POSIX.1-2017 pax, "ustar Interchange Format". */
const TYPE = { file: "0", symlink: "2", directory: "5" } as const;
/** Of a pax extended header, which carries what the ustar header has no room for. */
const PAX = "x";

/**
 * A tar archive in pieces, in the order of the entries. Nothing of this machine gets in but the files' content: every
 * member has the one modification time (seconds since 1970), numeric owners and no names of owners.
 * @throws {IronbridgeError} IB_BUILD_FAILED when a file changes its size while it is read.
 */
export function* writeTar(entries: Iterable<TarEntry>, modified: number): Generator<Uint8Array> {
  for (const entry of entries) {
    if (entry.kind === "file" && !(entry.content instanceof Uint8Array)) {
      yield* writeFile(entry, entry.content.file, modified);
    } else {
      const content = entry.kind === "file" ? (entry.content as Uint8Array) : new Uint8Array(0);
      yield* writeHeaders(entry, content.length, modified);
      yield content;
      yield padding(content.length);
    }
  }
  yield new Uint8Array(2 * BLOCK);
}

function* writeFile(entry: TarEntry, file: string, modified: number): Generator<Uint8Array> {
  const descriptor = openSync(file, "r");
  try {
    const size = fstatSync(descriptor).size;
    yield* writeHeaders(entry, size, modified);
    let left = size;
    while (left > 0) {
      const chunk = new Uint8Array(Math.min(left, CHUNK));
      const count = readSync(descriptor, chunk);
      if (count === 0) throw new IronbridgeError("IB_BUILD_FAILED", `${file} became shorter while it was read`);
      yield chunk.subarray(0, count);
      left -= count;
    }
    yield padding(size);
  } finally {
    closeSync(descriptor);
  }
}

function* writeHeaders(entry: TarEntry, size: number, modified: number): Generator<Uint8Array> {
  const path = entry.kind === "directory" ? `${entry.path}/` : entry.path;
  const target = entry.kind === "symlink" ? entry.target : "";
  const mode = entry.kind === "symlink" ? 0o777 : entry.mode;
  const owner = { uid: entry.uid ?? 0, gid: entry.gid ?? 0 };
  const tooLong = { ...(fits(path) ? {} : { path }), ...(fits(target) ? {} : { linkpath: target }) };
  const records = Buffer.concat(Object.entries(tooLong).map(([key, value]) => paxRecord(key, value)));
  if (records.length > 0) {
    yield header({ path: "pax", type: PAX, mode: 0o644, size: records.length, target: "", modified, uid: 0, gid: 0 });
    yield records;
    yield padding(records.length);
  }
  yield header({ path, type: TYPE[entry.kind], mode, size, target, modified, ...owner });
}

interface Header {
  readonly path: string;
  readonly type: string;
  readonly mode: number;
  readonly size: number;
  readonly target: string;
  readonly modified: number;
  readonly uid: number;
  readonly gid: number;
}

/** Name 100, mode 8, uid 8, gid 8, size 12, mtime 12, checksum 8, type 1, target 100, magic 6, version 2; the rest 0. */
function header({ path, type, mode, size, target, modified, uid, gid }: Header): Uint8Array {
  const block = Buffer.alloc(BLOCK);
  block.set(Buffer.from(path).subarray(0, 100), 0);
  writeOctal(block, 100, 8, mode);
  writeOctal(block, 108, 8, uid);
  writeOctal(block, 116, 8, gid);
  writeOctal(block, 124, 12, size);
  writeOctal(block, 136, 12, modified);
  block.write("        ", 148); // the checksum is taken with spaces in its own place
  block.write(type, 156);
  block.set(Buffer.from(target).subarray(0, 100), 157);
  block.write("ustar\x0000", 257);
  const checksum = block.reduce((sum, octet) => sum + octet, 0);
  block.write(`${checksum.toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}

/** @throws {IronbridgeError} IB_BUILD_FAILED when the number has no room; a file may have 8 GiB. */
function writeOctal(block: Buffer, offset: number, length: number, value: number): void {
  const digits = value.toString(8).padStart(length - 1, "0");
  if (digits.length >= length) {
    throw new IronbridgeError("IB_BUILD_FAILED", `${value} has no room in a tar header field of ${length} octets`);
  }
  block.write(digits, offset);
}

/** "LENGTH KEY=VALUE\n", where the length counts itself. */
function paxRecord(key: string, value: string): Buffer {
  const rest = Buffer.from(` ${key}=${value}\n`);
  let length = rest.length + 1;
  while (String(length).length + rest.length > length) length++;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

function fits(name: string): boolean {
  return Buffer.byteLength(name) <= 100;
}

function padding(size: number): Uint8Array {
  return new Uint8Array((BLOCK - (size % BLOCK)) % BLOCK);
}
