import type { Nft, NftReader, NftTable } from "../linux/mod.ts";
import type { Family } from "../net/mod.ts";
import type { Backend, Count } from "./backend.ts";
import { Ledger } from "./ledger.ts";
import { nftFixedItems, nftItems, nftNodeItems, nftRangeItems } from "./nftables.ts";
import { CONNECTIONS } from "./nftables-chain.ts";
import { CHAINS, hasRanges, NFT_OBJECTS, printObject, SETS } from "./nftables-object.ts";
import { isHashedMap } from "./nftables-own.ts";
import { parseNftCounts, parseNftRanges } from "./nftables-read.ts";
import { chainIn, setIn } from "./nftables-stamp.ts";
import { NFT_TABLE, nftTable, printForgotten, printNftChanges, printNftTable, printUnused } from "./nftables-text.ts";
import type { Protocol } from "./service-port.ts";
import type { FamilySettings } from "./settings.ts";

/** Elements in one transaction: bounds what libnftables takes of memory and how long the kernel's commit lock is held. */
const BATCH = 4096;

/** What stands in the way of writing differences only. */
type Base =
  | "sound"
  /** There is no table: it is built in steps that take effect with the last. */
  | "missing"
  /** There is a table of another version: it is replaced in one transaction, however large. */
  | "foreign";

/** Whose connections the element `key` of CONNECTIONS counts. */
function frontendOf(ledger: Ledger, key: string): Omit<Count, "key" | "connections"> | undefined {
  const [, protocol = "", port = ""] = key.split(" . ");
  const service = ledger.ownerOf("services", key);
  const owner = service ?? ledger.ownerOf("nodeports", `${protocol} . ${port}`);
  if (owner === undefined) return undefined;
  const front = service === undefined ? "nodeport" : "service";
  return { service: owner.key, protocol: protocol as Protocol, front, port: Number(port) };
}

/** The nftables data plane of one address family: a table of its own. */
export function nftablesBackend(nft: Nft & NftReader, settings: FamilySettings): Backend {
  const { family } = settings;
  const ledger = new Ledger();
  ledger.replace({ key: "fixed", created: 0 }, nftFixedItems(settings));
  const journal = nft.journal(family, NFT_TABLE);
  let base: Base = "missing";
  let unused = "";

  const readFrame = () => {
    const table = nft.table(family, NFT_TABLE);
    base = table === undefined ? "missing" : isOurs(table, family) ? "sound" : "foreign";
    markFrame(ledger, family, base === "sound" ? table : undefined);
    unused = printUnused(family, ledger);
  };

  const readElements = async (object: string) => {
    const reading = ledger.read(object);
    // A map of a single Service that nobody wants goes as a whole.
    if (base === "sound" && (!isHashedMap(object) || ledger.size(object) > 0)) {
      if (hasRanges(family, object)) {
        const text = await nft.list(`list set ${nftTable(family)} ${object}`);
        for (const key of parseNftRanges(text ?? "")) reading.see(key, "");
      } else {
        for await (const elements of nft.elements(family, NFT_TABLE, object)) {
          for (const [key, value] of elements) reading.see(key, value);
        }
      }
    }
    reading.end();
  };

  return {
    family,
    drift: "notified",
    replace: (owner, ports) =>
      ledger.replace(
        owner,
        ports.flatMap((port) => nftItems(port, settings)),
      ),
    setServiceRanges: (ranges) => ledger.replace({ key: "ranges", created: 0 }, nftRangeItems(ranges)),
    setNodeAddresses: (addresses) => ledger.replace({ key: "node", created: 0 }, nftNodeItems(addresses)),

    check: async () => {
      const before = ledger.backlog;
      journal.read(); // what is read now has it already
      readFrame();
      const hashed = [...ledger.objects(), ...ledger.changedObjects()].filter(isHashedMap);
      for (const object of new Set([...NFT_OBJECTS[family].keys(), ...hashed])) await readElements(object);
      return Math.max(0, ledger.backlog - before);
    },

    write: async () => {
      const count = ledger.backlog;
      const texts = printNftChanges(family, ledger, base === "foreign" ? Number.POSITIVE_INFINITY : BATCH);
      if (base === "foreign") await nft.apply(printNftTable(family) + [...texts].join(""));
      else {
        if (base === "missing") await nft.apply(printNftTable(family));
        for (const text of texts) await nft.apply(text);
      }
      base = "sound";
      if (unused !== "") await nft.apply(unused);
      unused = "";
      ledger.markWritten();
      return count;
    },

    // Elements are not read again: the kernel has told which of them others have changed.
    inspect: async () => {
      const before = ledger.backlog;
      const changes = journal.read();
      readFrame();
      if (base !== "sound") return { condition: "broken", differing: 0 };
      const kept = (changes ?? []).filter(({ set }) => NFT_OBJECTS[family].has(set) || ledger.size(set) > 0);
      const ranges = new Set(kept.map(({ set }) => set).filter((set) => hasRanges(family, set)));
      for (const { set, key, value } of kept) if (!ranges.has(set)) ledger.markHeld(set, key, value);
      for (const set of ranges) await readElements(set);
      const differing = Math.max(0, ledger.backlog - before);
      return { condition: changes === undefined ? "touched" : "fine", differing };
    },

    counts: async () => {
      const counted = parseNftCounts((await nft.list(`list set ${nftTable(family)} ${CONNECTIONS}`)) ?? "");
      const unclaimed = [...counted.keys()].filter((key) => frontendOf(ledger, key) === undefined);
      if (unclaimed.length > 0) await nft.apply(printForgotten(family, unclaimed));
      const connections = [...counted].flatMap(([key, count]) => {
        const frontend = frontendOf(ledger, key);
        return frontend === undefined ? [] : [{ key, ...frontend, connections: count }];
      });
      return { connections };
    },

    sizes: () => {
      const held = ledger.objects().filter((object) => object !== CHAINS && object !== SETS);
      return new Map([
        ["chains", ledger.size(CHAINS)],
        ["elements", held.reduce((sum, object) => sum + ledger.size(object), 0)],
      ]);
    },
    close: () => journal.close(),
  };
}

/** True when every map and set that all tables have is as this version makes it, and nothing holds its chains up. */
function isOurs(table: NftTable, family: Family): boolean {
  const sets = [...NFT_OBJECTS[family]].map(([name, object]) => [name, printObject(object)] as const);
  return table.active && sets.every(([name, definition]) => setIn(table, name, definition) === definition);
}

/** Takes note of the chains, and of the maps and sets of single Services, that `table` has; undefined is an empty one. */
function markFrame(ledger: Ledger, family: Family, table: NftTable | undefined): void {
  const see = (object: string, names: Iterable<string>, find: typeof chainIn) =>
    ledger.markSeen(
      object,
      [...names].map((name) => [name, (table && find(table, name, ledger.wanted(object, name))) ?? ""]),
    );
  see(CHAINS, table?.chains.keys() ?? [], chainIn);
  const own = [...(table?.sets.keys() ?? [])].filter((name) => !NFT_OBJECTS[family].has(name));
  see(SETS, own, setIn);
}
