/** Characters shown on each side of a mistake; a line with thousands of elements would drown it. */
const CONTEXT = 100;

/** Line `number` (from 1) of `script` for an error message: `line 3: add table ...`, cut to what is around `column`. */
export function describeLine(script: string, number: number, column = 1): string {
  const text = (script.split("\n", number)[number - 1] ?? "").trimEnd();
  const first = Math.max(0, column - 1 - CONTEXT);
  const last = Math.min(text.length, column - 1 + CONTEXT);
  const cut = `${first > 0 ? "..." : ""}${text.slice(first, last)}${last < text.length ? "..." : ""}`;
  return `line ${number}: ${cut}`;
}
