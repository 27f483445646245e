/** Milliseconds of each unit of Go's time.ParseDuration that can stand in a resource. */
const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
const PART = /(\d+(?:\.\d+)?)(ms|s|m|h)/g;
const WHOLE = /^(?:\d+(?:\.\d+)?(?:ms|s|m|h))+$/;

/** Reads a duration as Go prints it ("90s", "1m30s", "500ms", "0"), in milliseconds; undefined for anything else. */
export function parseDuration(text: string): number | undefined {
  if (text === "0") return 0;
  if (!WHOLE.test(text)) return undefined;
  return [...text.matchAll(PART)].reduce((sum, [, count = "", unit = ""]) => sum + Number(count) * UNITS[unit]!, 0);
}
