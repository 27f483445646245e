/** A BGP community of RFC 1997 (two numbers of 16 bits) or a large one of RFC 8092 (three of 32 bits). */
export type CommunityValue =
  | { readonly kind: "legacy"; readonly parts: readonly [number, number] }
  | { readonly kind: "large"; readonly parts: readonly [number, number, number] };

/** The value, or why the text is none, in MetalLB's words where it has them. */
type ParsedCommunity = CommunityValue | { readonly kind: "invalid"; readonly why: string };

const LARGE = "large";
const REMEDY = "write A:B with numbers up to 65535, or large:A:B:C with numbers up to 4294967295";

/** Reads `64512:1` or `large:64512:1:2`. */
export function parseCommunity(text: string): ParsedCommunity {
  const sections = text.split(":");
  if (sections.length === 2) return legacyOf(text, sections);
  if (sections.length !== 4 || sections[0] !== LARGE) {
    return invalid(`invalid community value: expected community to be of format large:A:B:C or A:B, not "${text}"`);
  }
  const [a, b, c] = sections.slice(1).map((section) => numberUpTo(section, 0xffff_ffff));
  if (a === undefined || b === undefined || c === undefined) return badSection(text);
  return { kind: "large", parts: [a, b, c] };
}

/** True for a text that only can be a value; an alias has no colon. */
export function looksLikeCommunity(text: string): boolean {
  return text.includes(":");
}

export function printCommunity({ kind, parts }: CommunityValue): string {
  return kind === "large" ? `${LARGE}:${parts.join(":")}` : parts.join(":");
}

function legacyOf(text: string, sections: readonly string[]): ParsedCommunity {
  const [a, b] = sections.map((section) => numberUpTo(section, 0xffff));
  return a === undefined || b === undefined ? badSection(text) : { kind: "legacy", parts: [a, b] };
}

function badSection(text: string): ParsedCommunity {
  return invalid(`invalid community value: invalid section in "${text}"`);
}

function invalid(why: string): ParsedCommunity {
  return { kind: "invalid", why: `${why}; ${REMEDY}` };
}

function numberUpTo(text: string, biggest: number): number | undefined {
  const number = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  return number <= biggest ? number : undefined;
}
