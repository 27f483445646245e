import koffi from "koffi";
import { IronbridgeError } from "../core/mod.ts";

// The one file that calls C. Every wrapper answers as the system call itself does: a count or descriptor, or -errno.

/** Address families and socket types: bits/socket.h. */
export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;
export const AF_NETLINK = 16;
export const AF_PACKET = 17;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
export const SOCK_NONBLOCK = 0o4000;
export const SOCK_CLOEXEC = 0o2000000;
/** Socket options: asm-generic/socket.h, linux/if_packet.h, linux/netlink.h, linux/in6.h. */
export const SOL_SOCKET = 1;
export const SO_REUSEADDR = 2;
export const SO_ERROR = 4;
const SO_BINDTODEVICE = 25;
export const SO_ATTACH_FILTER = 26;
export const SO_RCVBUFFORCE = 33;
export const SO_PROTOCOL = 38;
export const IPPROTO_IP = 0;
export const IPPROTO_TCP = 6;
export const IPPROTO_IPV6 = 41;
export const IPPROTO_RAW = 255;
/** linux/in.h, linux/in6.h: what sockets send with, and the least TTL a TCP socket takes. */
export const IP_TOS = 1;
export const IP_TTL = 2;
export const IP_MINTTL = 21;
export const IPV6_UNICAST_HOPS = 16;
export const IPV6_V6ONLY = 26;
export const IPV6_TCLASS = 67;
export const IPV6_MINHOPCOUNT = 73;
/** linux/tcp.h */
export const TCP_NODELAY = 1;
export const TCP_MD5SIG = 14;
export const IPV6_ADD_MEMBERSHIP = 20;
export const IPV6_DROP_MEMBERSHIP = 21;
export const SOL_PACKET = 263;
export const PACKET_IGNORE_OUTGOING = 23;
export const SOL_NETLINK = 270;
export const NETLINK_ADD_MEMBERSHIP = 1;
export const NETLINK_CAP_ACK = 10;
export const NETLINK_EXT_ACK = 11;
export const NETLINK_GET_STRICT_CHK = 12;
/** Flags of recv(2) and send(2): do not wait; the rest of the datagram follows. */
export const MSG_DONTWAIT = 0x40;
export const MSG_MORE = 0x8000;
/** sched.h: the namespace a descriptor given to setns(2) must be of. */
export const CLONE_NEWNET = 0x40000000;

/** Numbers of the errors that code here reacts to or reports: asm-generic/errno.h. */
export const ERRNO = {
  ESRCH: 3,
  EINTR: 4,
  EIO: 5,
  EAGAIN: 11,
  EEXIST: 17,
  ENODEV: 19,
  EINVAL: 22,
  ENOSYS: 38,
  EOPNOTSUPP: 95,
  EADDRINUSE: 98,
  EADDRNOTAVAIL: 99,
  ENETUNREACH: 101,
  ENOBUFS: 105,
  EINPROGRESS: 115,
} as const;

// libnftables recurses on large sets; the 128 KiB that koffi gives to asynchronous calls would overflow.
koffi.config({ async_stack_size: 8 * 1024 * 1024, resident_async_pools: 1 });

const libc = koffi.load(null); // the C library Node itself is linked with, whatever its name

type Call<A extends readonly (number | string | Uint8Array)[]> = (...args: A) => number;

const c = {
  socket: libc.func("int socket(int, int, int)") as Call<[number, number, number]>,
  bind: libc.func("int bind(int, const void *, uint32_t)") as Call<[number, Uint8Array, number]>,
  listen: libc.func("int listen(int, int)") as Call<[number, number]>,
  connect: libc.func("int connect(int, const void *, uint32_t)") as Call<[number, Uint8Array, number]>,
  accept: libc.func("int accept4(int, void *, void *, int)") as Call<[number, Uint8Array, Uint8Array, number]>,
  getsockname: libc.func("int getsockname(int, void *, void *)") as Call<[number, Uint8Array, Uint8Array]>,
  getsockopt: libc.func("int getsockopt(int, int, int, void *, void *)") as Call<
    [number, number, number, Uint8Array, Uint8Array]
  >,
  setsockopt: libc.func("int setsockopt(int, int, int, const void *, uint32_t)") as Call<
    [number, number, number, Uint8Array, number]
  >,
  send: libc.func("intptr_t send(int, const void *, size_t, int)") as Call<[number, Uint8Array, number, number]>,
  sendto: libc.func("intptr_t sendto(int, const void *, size_t, int, const void *, uint32_t)") as Call<
    [number, Uint8Array, number, number, Uint8Array, number]
  >,
  recv: libc.func("intptr_t recv(int, void *, size_t, int)") as Call<[number, Uint8Array, number, number]>,
  recvfrom: libc.func("intptr_t recvfrom(int, void *, size_t, int, void *, void *)") as Call<
    [number, Uint8Array, number, number, Uint8Array, Uint8Array]
  >,
  ioctl: libc.func("int ioctl(int, uintptr_t, void *)") as Call<[number, number, Uint8Array]>,
  setns: libc.func("int setns(int, int)") as Call<[number, number]>,
  close: libc.func("int close(int)") as Call<[number]>,
  syscall: libc.func("intptr_t syscall(intptr_t, int, void *, uint32_t)") as Call<[number, number, Uint8Array, number]>,
  memfd: libc.func("int memfd_create(const char *, uint32_t)") as Call<[string, number]>,
};
const pooledSend = libc.func("intptr_t send(int, const void *, size_t, int)");
const mallocTrim = libc.func("int malloc_trim(size_t)") as Call<[number]>;
const strerror = libc.func("const char *strerror(int)") as (errno: number) => string;

function result(value: number): number {
  return value < 0 ? -koffi.errno() : value;
}

function uint32(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer);
}

export function socket(family: number, type: number, protocol: number): number {
  return result(c.socket(family, type | SOCK_CLOEXEC, protocol));
}

export function bind(fd: number, address: Uint8Array): number {
  return result(c.bind(fd, address, address.length));
}

/**
 * Closes what the wrappers here opened; node:fs warns in worker threads about descriptors it does not know.
 * Close before a worker thread ends: its end closes only what node:fs opened.
 */
export function close(fd: number): void {
  c.close(fd);
}

export function listen(fd: number, backlog: number): number {
  return result(c.listen(fd, backlog));
}

/** Of a socket that does not wait: -EINPROGRESS, and SO_ERROR tells how it went once the socket is writable. */
export function connect(fd: number, address: Uint8Array): number {
  return result(c.connect(fd, address, address.length));
}

/** The next connection, not waiting itself either; fills `address` with who made it. */
export function accept(fd: number, address: Uint8Array): number {
  return result(c.accept(fd, address, uint32(address.length), SOCK_NONBLOCK | SOCK_CLOEXEC));
}

/** Fills `address` with the address `fd` is bound to. */
export function getsockname(fd: number, address: Uint8Array): number {
  return result(c.getsockname(fd, address, uint32(address.length)));
}

/** The value of an option that is an int. */
export function getsockopt(fd: number, level: number, option: number): number {
  const value = new Int32Array(1);
  const failure = result(c.getsockopt(fd, level, option, new Uint8Array(value.buffer), uint32(value.byteLength)));
  return failure < 0 ? failure : value[0]!;
}

/** Fills `value`, a struct, with an option; what it holds before says what is asked for. */
export function getsockoptStruct(fd: number, level: number, option: number, value: Uint8Array): number {
  return result(c.getsockopt(fd, level, option, value, uint32(value.length)));
}

/** Sets an option whose value is an int or a struct. */
export function setsockopt(fd: number, level: number, option: number, value: number | Uint8Array): number {
  const bytes = typeof value === "number" ? new Uint8Array(Int32Array.of(value).buffer) : value;
  return result(c.setsockopt(fd, level, option, bytes, bytes.length));
}

/**
 * Runs `program`, an array of struct sock_filter, on everything `fd` receives from now on.
 * struct sock_fprog: a count of 16 bits, padding, a pointer.
 */
export function attachFilter(fd: number, program: Uint8Array): number {
  const fprog = new DataView(new ArrayBuffer(16));
  fprog.setUint16(0, program.length / 8, true);
  fprog.setBigUint64(8, addressOf(program), true);
  return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, new Uint8Array(fprog.buffer));
}

export function send(fd: number, bytes: Uint8Array): number {
  return result(c.send(fd, bytes, bytes.length, 0));
}

/**
 * As send(), on the thread pool: for requests that keep the kernel busy for some milliseconds. The number of an error is
 * lost on the way between the threads, so any failure is EIO.
 */
export function sendLater(fd: number, bytes: Uint8Array): Promise<number> {
  return new Promise((resolve, reject) => {
    pooledSend.async(fd, bytes, bytes.length, 0, (error: unknown, length: number) => {
      if (error) reject(error);
      else resolve(length < 0 ? -ERRNO.EIO : length);
    });
  });
}

export function recv(fd: number, buffer: Uint8Array, flags: number): number {
  return result(c.recv(fd, buffer, buffer.length, flags));
}

/** @param address Who gets it: encodeSocketAddress(). */
export function sendTo(fd: number, bytes: Uint8Array, flags: number, address: Uint8Array): number {
  return result(c.sendto(fd, bytes, bytes.length, flags, address, address.length));
}

/** From now on `fd` receives from and sends through the interface called `name` only. */
export function bindToDevice(fd: number, name: string): number {
  return setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, new TextEncoder().encode(`${name}\0`));
}

/** As recv(); fills `address` with who sent it. */
export function receiveFrom(fd: number, buffer: Uint8Array, flags: number, address: Uint8Array): number {
  return result(c.recvfrom(fd, buffer, buffer.length, flags, address, uint32(address.length)));
}

/** A request about a device or socket; `argument` is read and filled. ioctl(2). */
export function ioctl(fd: number, request: number, argument: Uint8Array): number {
  return result(c.ioctl(fd, request, argument));
}

/** Moves the calling thread, and only it, into the namespace `fd` is open on. setns(2). */
export function setNetns(fd: number): number {
  return result(c.setns(fd, CLONE_NEWNET));
}

/** An anonymous file in memory, closed on exec. memfd_create(2). */
export function createMemoryFile(name: string): number {
  return result(c.memfd(name, 1));
}

/** Numbers of bpf(2), which the C library has no function for: asm/unistd.h. */
const SYS_BPF: Readonly<Partial<Record<NodeJS.Architecture, number>>> = { x64: 321, arm64: 280 };

/** One command of bpf(2); `attributes` is its part of union bpf_attr. -ENOSYS on other machines. */
export function bpf(command: number, attributes: Uint8Array): number {
  const number = SYS_BPF[process.arch];
  return number === undefined ? -ERRNO.ENOSYS : result(c.syscall(number, command, attributes, attributes.length));
}

/** Where `bytes` lie in memory, for structures that hold pointers. The caller keeps them alive. */
export function addressOf(bytes: Uint8Array): bigint {
  return BigInt(koffi.address(bytes));
}

/**
 * The value of a system call, or its failure as an error: `create veth ib-abc: EEXIST (file exists)`.
 * @param what What was asked of the kernel, for the operator.
 * @throws {IronbridgeError} IB_KERNEL_REFUSED
 */
export function check(value: number, what: string): number {
  if (value < 0) throw kernelError(what, -value);
  return value;
}

/** @param detail What the kernel said beyond the number. */
export function kernelError(what: string, errno: number, detail?: string): IronbridgeError {
  const text = strerror(errno);
  const reason = `${errnoName(errno)} (${text.charAt(0).toLowerCase()}${text.slice(1)})`;
  const cause = Object.assign(new Error(reason), { code: errnoName(errno) });
  return new IronbridgeError("IB_KERNEL_REFUSED", `${what}: ${reason}${detail ? `: ${detail}` : ""}`, { cause });
}

/** As kernelError(), for an error thrown by node:fs. */
export function fileError(what: string, error: unknown): IronbridgeError {
  const errno = error instanceof Error && "errno" in error ? -Number(error.errno) : ERRNO.EINVAL;
  return kernelError(what, errno);
}

/** True when the kernel refused with `name`, for example "ENODEV". */
export function hasErrno(error: unknown, name: string): boolean {
  for (let e = error; e instanceof Error; e = e.cause) {
    if ("code" in e && e.code === name) return true;
  }
  return false;
}

/** Some numbers have two names; the first counts, ours before others. */
const ERRNO_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries({ ...ERRNO, ...koffi.os.errno })
    .reverse()
    .map(([name, errno]) => [Number(errno), name]),
);

function errnoName(errno: number): string {
  return ERRNO_NAMES.get(errno) ?? `errno ${errno}`;
}

/**
 * Calls `onReady` when `fd` can be read or has an error to report, until the returned function is called.
 * `onReady` must read until EAGAIN or be content to be called again: polling is level-triggered.
 */
export function pollReadable(fd: number, onReady: () => void): () => void {
  let scheduled = false;
  let closed = false;
  const run = (failed: boolean) => {
    scheduled = false;
    if (closed) return;
    onReady();
    if (failed && !closed) handle.start({ readable: true }, notify); // libuv stops polling after POLLERR
  };
  // koffi calls this outside of Node's callback scope, where promises would not go on; an immediate runs inside it.
  const notify = (status: unknown) => {
    if (scheduled) return;
    scheduled = true;
    setImmediate(run, typeof status === "number" && status < 0);
  };
  const handle = koffi.node.poll(fd, { readable: true }, notify);
  return () => {
    if (!closed) handle.close();
    closed = true;
  };
}

/** Calls `onReady` once, when `fd` can be written to or has an error to report, unless the returned function was called. */
export function pollWritable(fd: number, onReady: () => void): () => void {
  let closed = false;
  const close = () => {
    if (closed) return;
    closed = true;
    handle.close();
  };
  const run = () => {
    if (closed) return;
    close();
    onReady();
  };
  const handle = koffi.node.poll(fd, { writable: true }, () => void setImmediate(run));
  return close;
}

/** Gives memory that C code has freed back to the system: some milliseconds after a large job. malloc_trim(3). */
export function releaseMemory(): void {
  mallocTrim(0);
}

/** One libnftables context: struct nft_ctx. */
export interface NftContext {
  /** Runs the commands of the file at `path` on the thread pool, one call at a time. */
  run(path: string): Promise<{ readonly ok: boolean; readonly output: string; readonly errors: string }>;
  free(): void;
}

/** libnftables(3), undefined when the library is not installed. */
export function createNftContext(): NftContext | undefined {
  const library = loadNftables();
  if (library === undefined) return undefined;
  const context = library.create(0);
  library.bufferOutput(context);
  library.bufferErrors(context);
  return {
    run: (path) =>
      new Promise((resolve, reject) => {
        library.run.async(context, path, (error: unknown, code: number) => {
          if (error) reject(error);
          else resolve({ ok: code === 0, output: library.output(context), errors: library.errors(context) });
        });
      }),
    free: () => library.free(context),
  };
}

function loadNftables() {
  let library: ReturnType<typeof koffi.load>;
  try {
    library = koffi.load("libnftables.so.1");
  } catch {
    return undefined; // not installed: the caller has the nft program to fall back to
  }
  return {
    create: library.func("void *nft_ctx_new(uint32_t)") as (flags: number) => unknown,
    bufferOutput: library.func("int nft_ctx_buffer_output(void *)"),
    bufferErrors: library.func("int nft_ctx_buffer_error(void *)"),
    output: library.func("const char *nft_ctx_get_output_buffer(void *)") as (context: unknown) => string,
    errors: library.func("const char *nft_ctx_get_error_buffer(void *)") as (context: unknown) => string,
    run: library.func("int nft_run_cmd_from_filename(void *, const char *)"),
    free: library.func("void nft_ctx_free(void *)"),
  };
}
