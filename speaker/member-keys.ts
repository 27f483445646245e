const LINE_FEED = 0x0a;
/** More are not of use: the one in use, the next, and the one before. */
const MOST_KEYS = 3;

/**
 * The members' keys, one on each line. The heartbeats are sealed with every one of them and read with any, so that a key is
 * replaced without a member being missed: add the new one on every node, then take the old one away.
 */
export function memberKeys(secret: Uint8Array): readonly Uint8Array[] {
  const keys: Uint8Array[] = [];
  let start = 0;
  for (let i = 0; i <= secret.length; i++) {
    if (i < secret.length && secret[i] !== LINE_FEED) continue;
    if (i > start) keys.push(secret.slice(start, i));
    start = i + 1;
  }
  return keys.slice(0, MOST_KEYS);
}
