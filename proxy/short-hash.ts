import { createHash } from "node:crypto";

/** 16 characters that stand for `text` in names whose length the kernel limits; the case of letters is one. */
export function shortHash(text: string): string {
  return base32(createHash("sha256").update(text).digest()).slice(0, 16);
}

/** RFC 4648 section 6, as many characters as whole groups of 5 bits give. */
function base32(bytes: Uint8Array): string {
  const bits = Array.from(bytes, (octet) => octet.toString(2).padStart(8, "0")).join("");
  const groups = bits.match(/.{5}/g) ?? [];
  return groups.map((group) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".charAt(Number.parseInt(group, 2))).join("");
}
