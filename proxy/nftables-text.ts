import type { Family } from "../net/mod.ts";
import type { Change, Ledger } from "./ledger.ts";
import { CONNECTIONS, isBaseChain } from "./nftables-chain.ts";
import { CHAINS, hasRanges, NFT_OBJECTS, SETS, type SetObject } from "./nftables-object.ts";
import { isHashedMap } from "./nftables-own.ts";
import { stampOf } from "./nftables-stamp.ts";

export const NFT_TABLE = "ironbridge-proxy";

/** What leads a connection somewhere is written after what it leads to, and goes before it. */
const LEADING = [
  "no-endpoints",
  "no-endpoint-nodeports",
  "services",
  "nodeports",
  "guarded-addresses",
  "nodeport-addresses",
];

/** "ip ironbridge-proxy" or "ip6 ironbridge-proxy": the table as nft's commands name it. */
export function nftTable(family: Family, name = NFT_TABLE): string {
  return `${family === "ipv4" ? "ip" : "ip6"} ${name}`;
}

/** An empty table with its maps and sets, instead of whatever table there was. */
export function printNftTable(family: Family): string {
  const table = nftTable(family);
  const objects = [...NFT_OBJECTS[family]].map(([name, { kind, type }]) => printSet(table, name, kind, type));
  return `add table ${table}\ndelete table ${table}\nadd table ${table}\n${objects.join("")}`;
}

function printSet(table: string, name: string, kind: string, type: string): string {
  const comment = stampOf(`${kind}\n${type}`);
  return `add ${kind} ${table} ${name} { ${type.replaceAll("\n", "; ")}; comment "${comment}"; }\n`;
}

/**
 * The transactions that write what `ledger` has not written yet, each of at most about `size` elements, one made when the
 * one before it has been taken. Nearly always one; of several, each leaves every connection served that was served before
 * and will be served after: endpoints come before what leads to them and go after it, hooks come last.
 * Chains, maps and sets nobody uses any more stay: printUnused() removes them.
 */
export function* printNftChanges(family: Family, ledger: Ledger, size: number): Iterable<string> {
  const steps = stepsOf(family, ledger);
  const isOne = steps.reduce((sum, { changes }) => sum + changes.length, 0) <= size;
  if (isOne) {
    const text = steps.map(({ changes, print }) => print(changes)).join("");
    if (text !== "") yield text;
    return;
  }
  for (const { changes, print, isWhole } of steps) {
    for (const batch of isWhole ? [changes] : batches(changes, size)) {
      const text = print(batch);
      if (text !== "") yield text;
    }
  }
}

/** Changes that can be written at any time after those of the step before. */
interface Step {
  readonly changes: readonly Change[];
  readonly print: (changes: readonly Change[]) => string;
  /** They need each other and go into one transaction. */
  readonly isWhole: boolean;
}

function stepsOf(family: Family, ledger: Ledger): Step[] {
  const objects = ledger.changedObjects().filter((object) => object !== CHAINS && object !== SETS);
  const elements = objects.flatMap((object) => ledger.changes(object));
  const isWanted = ({ wanted }: Change) => wanted !== undefined;
  // Ranges that overlap can't be in a set at once, so new ones come in the same transaction as old ones go.
  const isWritten = (change: Change) => isWanted(change) || hasRanges(family, change.object);
  const isLeading = ({ object }: Change) => LEADING.includes(object);
  const chains = ledger.changes(CHAINS).filter(isWanted);
  const isBase = ({ wanted = "" }: Change) => isBaseChain(wanted);
  const elementStep = (isIn: (change: Change) => boolean): Step => ({
    changes: elements.filter(isIn),
    print: (changes) => printElements(family, changes),
    isWhole: false,
  });
  const chainStep = (changes: readonly Change[]): Step => ({
    changes,
    print: (all) => printChains(family, all),
    isWhole: true,
  });
  return [
    { changes: ledger.changes(SETS).filter(isWanted), print: (sets) => printSets(family, sets), isWhole: true },
    chainStep(chains.filter((change) => !isBase(change))),
    elementStep((change) => isWritten(change) && !isLeading(change)),
    elementStep((change) => isWritten(change) && isLeading(change)),
    elementStep((change) => !isWritten(change) && isLeading(change)),
    elementStep((change) => !isWritten(change) && !isLeading(change)),
    chainStep(chains.filter(isBase)),
  ];
}

/**
 * Deletes the chains, and the maps and sets of single Services, that are in the kernel and wanted by nobody; empty when
 * there are none. In a transaction of its own, because kernels before 6.2 hold on to a chain for a moment after its last use.
 */
export function printUnused(family: Family, ledger: Ledger): string {
  const table = nftTable(family);
  const unused = (object: string) => ledger.changes(object).filter(({ wanted }) => wanted === undefined);
  const chains = unused(CHAINS).map(({ key }) => key);
  return [
    ...chains.map((name) => `flush chain ${table} ${name}\n`), // they may lead to each other
    ...chains.map((name) => `delete chain ${table} ${name}\n`),
    ...unused(SETS).map(({ key, held = "" }) => `delete ${held.split("\n")[0]} ${table} ${key}\n`),
  ].join("");
}

/** Stops counting the connections to what nobody has any more. */
export function printForgotten(family: Family, keys: readonly string[]): string {
  return `delete element ${nftTable(family)} ${CONNECTIONS} { ${keys.join(", ")} }\n`;
}

function printSets(family: Family, sets: readonly Change[]): string {
  return sets
    .map(({ key, wanted = "" }) => {
      const [kind = "", ...type] = wanted.split("\n");
      return printSet(nftTable(family), key, kind, type.join("\n"));
    })
    .join("");
}

function printChains(family: Family, chains: readonly Change[]): string {
  const table = nftTable(family);
  const statements = chains.map(({ key, held, wanted = "" }) => {
    const [first = "", ...rest] = wanted.split("\n");
    const comment = stampOf(wanted);
    if (!isBaseChain(wanted))
      return { key, comment, add: `add chain ${table} ${key}\nflush chain ${table} ${key}\n`, rules: [first, ...rest] };
    // A base chain's hook can't be changed, only made anew.
    const remove = held === undefined ? "" : `flush chain ${table} ${key}\ndelete chain ${table} ${key}\n`;
    return { key, comment, add: `${remove}add chain ${table} ${key} { ${first} }\n`, rules: rest };
  });
  // All chains first: they jump to each other.
  return [
    ...statements.map(({ add }) => add),
    ...statements.flatMap(({ key, comment, rules }) =>
      rules.map((rule) => `add rule ${table} ${key} ${rule} comment "${comment}"\n`),
    ),
  ].join("");
}

/** Deletions before additions, so that a changed element is replaced and not refused. */
function printElements(family: Family, changes: readonly Change[]): string {
  const table = nftTable(family);
  const objects = [...Map.groupBy(changes, ({ object }) => object)];
  const gone = objects.map(([object, list]) => {
    const keys = list.filter(({ held }) => held !== undefined).map(({ key }) => key);
    return keys.length === 0 ? "" : `delete element ${table} ${object} { ${keys.join(", ")} }\n`;
  });
  const added = objects.map(([object, list]) => {
    const isMap = objectOf(family, object).kind === "map";
    const elements = list
      .filter(({ wanted }) => wanted !== undefined)
      .map(({ key, wanted }) => (isMap ? `${key} : ${wanted}` : key));
    return elements.length === 0 ? "" : `add element ${table} ${object} { ${elements.join(", ")} }\n`;
  });
  return [...gone, ...added].join("");
}

function objectOf(family: Family, name: string): SetObject {
  const object = isHashedMap(name) ? HASHED_MAP : NFT_OBJECTS[family].get(name);
  if (object === undefined) throw new RangeError(`table ${nftTable(family)} has no map or set ${name}`);
  return object;
}

const HASHED_MAP: SetObject = { kind: "map", type: "" };

function batches<T>(list: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(list.length / size) }, (_, i) => list.slice(i * size, (i + 1) * size));
}
