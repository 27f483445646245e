/** One field: a number, text, octets, or fields of its own. */
export type Field = readonly [number: number, value: number | string | Uint8Array | readonly Field[]];

/** Protocol buffers, the little of them that a test needs. https://protobuf.dev/programming-guides/encoding/ */
export function encodeFields(fields: readonly Field[]): Buffer {
  return Buffer.concat(
    fields.flatMap(([number, value]) => {
      if (typeof value === "number") return [encodeNumber(number << 3), encodeNumber(value)];
      const octets =
        typeof value === "string" || value instanceof Uint8Array ? Buffer.from(value) : encodeFields(value);
      return [encodeNumber((number << 3) | 2), encodeNumber(octets.length), octets];
    }),
  );
}

/** The values of all fields of this number that are text, octets or messages. */
export function fieldsOf(message: Buffer, wanted: number): Buffer[] {
  const found: Buffer[] = [];
  for (let offset = 0; offset < message.length; ) {
    const key = decodeNumber(message, offset);
    const content = decodeNumber(message, key.end);
    offset = content.end;
    if ((key.value & 7) === 0) continue;
    if ((key.value & 7) !== 2) throw new RangeError(`field ${key.value >> 3} is of a kind that is not known here`);
    offset += content.value;
    if (key.value >> 3 === wanted) found.push(message.subarray(content.end, offset));
  }
  return found;
}

/** The first of fieldsOf(), as text; empty when there is none. */
export function textOf(message: Buffer, wanted: number): string {
  return fieldsOf(message, wanted)[0]?.toString() ?? "";
}

function encodeNumber(value: number): Buffer {
  const octets: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...octets, rest]);
    octets.push((rest % 128) | 0x80);
  }
}

function decodeNumber(message: Buffer, start: number): { readonly value: number; readonly end: number } {
  let value = 0;
  for (let i = 0; ; i++) {
    const octet = message[start + i];
    if (octet === undefined) throw new RangeError("a message ends within a number");
    value += (octet & 0x7f) * 128 ** i;
    if (octet < 0x80) return { value, end: start + i + 1 };
  }
}
