import { randomInt } from "node:crypto";

/** Kubernetes' alphabet for generated names: no vowels and no digits that look like them, so that no word appears. */
const ALPHABET = "bcdfghjklmnpqrstvwxz2456789";

/** Five letters that make a name of its own, as in "web-7f9c-x2kqp". */
export function randomSuffix(): string {
  return Array.from({ length: 5 }, () => ALPHABET[randomInt(ALPHABET.length)]).join("");
}
