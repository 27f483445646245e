/** Reads octets one after another and never past the end; `short` makes the error of an attempt. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #short: () => Error;
  #at = 0;

  constructor(bytes: Uint8Array, short: () => Error) {
    this.#bytes = bytes;
    this.#short = short;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  uint8(): number {
    return this.#bytes[this.#take(1)]!;
  }

  uint16(): number {
    const at = this.#take(2);
    return (this.#bytes[at]! << 8) | this.#bytes[at + 1]!;
  }

  uint32(): number {
    const at = this.#take(4);
    const [a, b, c, d] = [this.#bytes[at]!, this.#bytes[at + 1]!, this.#bytes[at + 2]!, this.#bytes[at + 3]!];
    return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
  }

  /** A view of the next `length` octets, not a copy. */
  bytes(length: number): Uint8Array {
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  /** All that is left. */
  rest(): Uint8Array {
    return this.bytes(this.left);
  }

  #take(length: number): number {
    const at = this.#at;
    if (at + length > this.#bytes.length) throw this.#short();
    this.#at = at + length;
    return at;
  }
}
