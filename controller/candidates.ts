import { compareText, type Labels, matchesAny, type Pool } from "../config/mod.ts";

/** What a pool's serviceAllocation looks at. */
export interface Asker {
  readonly namespace: string;
  readonly namespaceLabels: Labels;
  readonly labels: Labels;
}

/** True when the pool is for every Service, or for this one: its namespace and its labels, where the pool limits them. */
export function poolAccepts({ serviceAllocation }: Pool, asker: Asker): boolean {
  if (serviceAllocation === undefined) return true;
  const { namespaces, namespaceSelectors, serviceSelectors } = serviceAllocation;
  const anyNamespace = namespaces.length === 0 && namespaceSelectors.length === 0;
  return (
    (anyNamespace || namespaces.includes(asker.namespace) || matchesAny(namespaceSelectors, asker.namespaceLabels)) &&
    (serviceSelectors.length === 0 || matchesAny(serviceSelectors, asker.labels))
  );
}

/**
 * The pools to try for a Service that asks for no pool and no address, in order: those made for it by their priority,
 * then those for everybody; by name where nothing else decides, so that the choice can be foretold.
 */
export function candidatePools(pools: readonly Pool[], asker: Asker): readonly Pool[] {
  return pools
    .filter((pool) => pool.autoAssign && poolAccepts(pool, asker))
    .sort((a, b) => rank(a) - rank(b) || compareText(a.name, b.name));
}

/** Lower is tried first. Priority 0, or none, comes after every other; a pool for everybody last of all. */
function rank({ serviceAllocation }: Pool): number {
  if (serviceAllocation === undefined) return Number.MAX_VALUE;
  return serviceAllocation.priority === 0 ? Number.MAX_SAFE_INTEGER : serviceAllocation.priority;
}
