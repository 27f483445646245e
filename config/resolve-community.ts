import { COMMUNITIES, COMMUNITY, type Community } from "./community.ts";
import { type CommunityValue, parseCommunity } from "./community-value.ts";
import { describeObject, problemsOf, type Resolved, readObject } from "./refusal.ts";
import { showValue } from "./schema.ts";

/** What an alias stands for and which object says so. */
export interface Alias {
  readonly value: CommunityValue;
  readonly owner: string;
}

/** @param known The aliases of the objects that were there before, which stand. */
export function resolveCommunity(
  object: Community,
  known: ReadonlyMap<string, Alias>,
): Resolved<ReadonlyMap<string, Alias>> {
  const read = readObject(COMMUNITIES, COMMUNITY, object);
  if (!read.ok) return read;
  const owner = describeObject(COMMUNITIES, read);
  const mine = new Map<string, Alias>();
  const mistakes = read.spec.communities.flatMap(({ name, value }, i) => {
    const other = mine.get(name) ?? known.get(name);
    const parsed = parseCommunity(value);
    if (parsed.kind !== "invalid") mine.set(name, { value: parsed, owner });
    if (other === undefined) return [];
    const place = other.owner === owner ? "the same object" : other.owner;
    const complaint = `duplicate definition of community "${name}", which ${place} has already; rename one of the two`;
    return [{ field: `spec.communities[${i}].name`, value: showValue(name), complaint }];
  });
  if (mistakes.length > 0) return { problems: problemsOf(COMMUNITIES, object, mistakes) };
  return { value: mine, problems: [] };
}
