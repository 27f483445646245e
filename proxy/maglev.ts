import { createHash } from "node:crypto";

/**
 * Places of a table, the same whatever the number of endpoints, because another size moves nearly all connections.
 * Large enough that of N endpoints one that leaves moves at most 1/N + 2 % of the connections.
 */
export const TABLE_SIZE = 16_381;

/** One endpoint, by a name that is the same on every node, and how many shares of the connections it gets. */
export interface Candidate {
  readonly name: string;
  readonly weight: number;
}

/**
 * Maglev hashing: for each place of a table the index of the candidate it belongs to. The candidates take places in
 * turn, each in an order of its own. Nodes that know the same candidates make the same table, whatever their order, and
 * one candidate more or less moves few other places.
 *
 * The orders are pseudo-random and not, as in the paper, steps of equal length: two candidates whose steps happen to be
 * alike moved 6 % too much.
 *
 * @returns Empty without candidates of positive weight.
 * @see Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer", NSDI 2016, section 3.4
 */
export function maglevTable(candidates: readonly Candidate[], size = TABLE_SIZE): number[] {
  const walkers = candidates
    .map(({ name, weight }, index) => ({ name, weight, index, next: randomPlaces(name, size) }))
    .filter(({ weight }) => weight > 0)
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  const table = new Array<number>(walkers.length === 0 ? 0 : size).fill(-1);
  let left = table.length;
  while (left > 0) {
    for (const { weight, index, next } of walkers) {
      for (let turn = 0; turn < weight && left > 0; turn++) {
        let place = next();
        while (table[place] !== -1) place = next();
        table[place] = index;
        left--;
      }
    }
  }
  return table;
}

/** Places in the order in which `name` asks for them; they come again and again (xorshift, Marsaglia 2003, 13-17-5). */
function randomPlaces(name: string, size: number): () => number {
  let state = createHash("sha256").update(name).digest().readUInt32BE(0) || 1; // zero would stay zero
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % size;
  };
}
