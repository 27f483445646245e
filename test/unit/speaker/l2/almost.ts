import fc from "fast-check";

/** `bytes` as they might arrive from somebody who errs or means ill: some of them others, cut off, or with more behind. */
export function almost(bytes: Uint8Array): fc.Arbitrary<Uint8Array> {
  const octet = fc.integer({ min: 0, max: 255 });
  const edits = fc.array(fc.tuple(fc.nat(bytes.length - 1), octet), { maxLength: 3 });
  const length = fc.oneof(fc.constant(bytes.length), fc.nat(bytes.length));
  return fc.tuple(edits, length, fc.uint8Array({ maxLength: 20 })).map(([changes, kept, more]) => {
    const out = Uint8Array.from(bytes);
    for (const [at, value] of changes) out[at] = value;
    return Uint8Array.of(...out.subarray(0, kept), ...more);
  });
}
