/** What turns one map into another. */
export interface Diff<V> {
  /** New and changed entries. */
  readonly set: ReadonlyMap<string, V>;
  readonly remove: readonly string[];
}

/** What turns `current` into `desired`. Two values are the same when `print` gives the same text for both. */
export function diffMaps<V>(
  current: ReadonlyMap<string, V>,
  desired: ReadonlyMap<string, V>,
  print: (value: V) => string,
): Diff<V> {
  const set = new Map<string, V>();
  for (const [key, value] of desired) {
    const before = current.get(key);
    if (before === undefined || (before !== value && print(before) !== print(value))) set.set(key, value);
  }
  const remove = [...current.keys()].filter((key) => !desired.has(key));
  return { set, remove };
}

export function isEmptyDiff<V>(diff: Diff<V>): boolean {
  return diff.set.size === 0 && diff.remove.length === 0;
}
