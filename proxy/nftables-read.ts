/** The elements, without values, of what `nft list set` prints for a set of ranges. */
export function parseNftRanges(text: string): string[] {
  const [, inner = ""] = /elements = \{([^}]*)\}/.exec(text) ?? [];
  return inner
    .split(",")
    .map((element) => element.trim())
    .filter((element) => element !== "");
}

/** By element, the packets counted in it, of what `nft list set` prints for a set with counters. */
export function parseNftCounts(text: string): Map<string, number> {
  const counted = text.matchAll(/([^{},\t]+?) counter packets (\d+) bytes \d+/g);
  return new Map([...counted].map(([, key = "", packets]) => [key.trim(), Number(packets)]));
}
