/** An entry of a list of interfaces: a name, or a regular expression between slashes, which no name can have. */
const PATTERN = /^\/(.*)\/$/;

/** The regular expression of an entry that is no name. Undefined for a name. */
function patternOf(entry: string): string | undefined {
  return PATTERN.exec(entry)?.[1];
}

/**
 * True when `entry` stands for the interface `name`.
 * @param entry One that canName() accepts.
 */
export function namesInterface(entry: string, name: string): boolean {
  const pattern = patternOf(entry);
  return pattern === undefined ? entry === name : new RegExp(pattern).test(name);
}

/** False for an entry between slashes that is no regular expression: it would never stand for an interface. */
export function canName(entry: string): boolean {
  const pattern = patternOf(entry);
  return pattern === undefined || isRegExp(pattern);
}

/** Whether `pattern` is a regular expression. */
export function isRegExp(pattern: string): boolean {
  try {
    new RegExp(pattern);
    return true;
  } catch {
    return false; // the only way to learn it
  }
}
