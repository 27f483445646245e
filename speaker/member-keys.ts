const LINE_FEED = 0x0a;
/** More are not of use: the one in use, the next, and the one before. */
const MOST_KEYS = 3;

/** Octets; a shorter line is no key. */
const SHORTEST = 16;

/**
 * The members' keys: one on each line of a text, or the whole of a secret that is not such a text. The heartbeats are sealed
 * with every one of them and read with any, so that a key is replaced without a member being missed: write the new key as a
 * second line on every node, then take the old one away.
 */
export function memberKeys(secret: Uint8Array): readonly Uint8Array[] {
  const lines: Uint8Array[] = [];
  let start = 0;
  for (let i = 0; i <= secret.length; i++) {
    if (i < secret.length && secret[i] !== LINE_FEED) continue;
    if (i > start) lines.push(secret.slice(start, i));
    start = i + 1;
  }
  const isText = lines.length > 0 && lines.every((line) => line.length >= SHORTEST);
  return isText ? lines.slice(0, MOST_KEYS) : [secret];
}
