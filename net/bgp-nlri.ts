import { ADDRESS_BITS, addressFromBytes, addressToBytes, type Family } from "./address.ts";
import { BgpErrorCode, BgpRefusal, UpdateError } from "./bgp-notification.ts";
import { ByteReader } from "./byte-reader.ts";
import type { ByteWriter } from "./byte-writer.ts";
import { type Prefix, prefixOf } from "./prefix.ts";

/** Octets of a prefix on the wire: its length in bits, then as many octets as hold them. RFC 4271 section 4.3. */
export function nlriLength({ length }: Prefix): number {
  return 1 + Math.ceil(length / 8);
}

/** Octets that `prefixes` add to an attribute or a field. */
export function nlriOctets(prefixes: readonly Prefix[]): number {
  return prefixes.reduce((sum, prefix) => sum + nlriLength(prefix), 0);
}

export function writeNlri(writer: ByteWriter, prefixes: readonly Prefix[]): void {
  for (const prefix of prefixes) {
    const octets = addressToBytes({ family: prefix.family, value: prefix.first });
    writer.uint8(prefix.length).bytes(octets.subarray(0, nlriLength(prefix) - 1));
  }
}

/** @throws {BgpRefusal} UPDATE Message Error/Invalid Network Field: what follows a bad prefix can't be read either. */
export function readNlri(bytes: Uint8Array, family: Family): Prefix[] {
  const refuse = () =>
    new BgpRefusal(`${family} prefixes end within one`, BgpErrorCode.Update, UpdateError.NetworkField);
  const reader = new ByteReader(bytes, refuse);
  const prefixes: Prefix[] = [];
  while (reader.left > 0) {
    const length = reader.uint8();
    if (length > ADDRESS_BITS[family]) {
      const message = `an ${family} prefix of ${length} bits`;
      throw new BgpRefusal(message, BgpErrorCode.Update, UpdateError.NetworkField);
    }
    const octets = new Uint8Array(ADDRESS_BITS[family] / 8);
    octets.set(reader.bytes(Math.ceil(length / 8)));
    prefixes.push(prefixOf(addressFromBytes(octets), length));
  }
  return prefixes;
}
