import type { Nft } from "../linux/mod.ts";
import type { Backend, Count } from "./backend.ts";
import { Ledger } from "./ledger.ts";
import { nftFixedItems, nftItems, nftNodeItems } from "./nftables.ts";
import { CONNECTIONS } from "./nftables-chain.ts";
import { CHAINS, NFT_OBJECTS, SETS } from "./nftables-object.ts";
import { isHashedMap } from "./nftables-own.ts";
import { parseNftCounts, parseNftTable } from "./nftables-read.ts";
import { nftTable, printForgotten, printNftChanges, printNftTable, printUnused } from "./nftables-text.ts";
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
  const service = ledger.wanted("services").get(key);
  const holder = service ?? ledger.wanted("nodeports").get(`${protocol} . ${port}`);
  if (holder === undefined) return undefined;
  const front = service === undefined ? "nodeport" : "service";
  return { service: holder.owner.key, protocol: protocol as Protocol, front, port: Number(port) };
}

/** The nftables data plane of one address family: a table of its own. */
export function nftablesBackend(nft: Nft, settings: FamilySettings): Backend {
  const { family } = settings;
  const ledger = new Ledger();
  ledger.replace({ key: "fixed", created: 0 }, nftFixedItems(settings));
  let base: Base = "missing";
  let unused = "";

  return {
    family,
    drift: "notified",
    replace: (owner, ports) =>
      ledger.replace(
        owner,
        ports.flatMap((port) => nftItems(port, settings)),
      ),
    setNodeAddresses: (addresses) => ledger.replace({ key: "node", created: 0 }, nftNodeItems(addresses)),

    check: async () => {
      const before = ledger.backlog;
      const text = await nft.list(`list table ${nftTable(family)}`);
      const { types, held } = parseNftTable(text ?? "");
      const isOurs = [...NFT_OBJECTS[family]].every(([name, { type }]) => types.get(name) === type);
      base = text === undefined ? "missing" : isOurs ? "sound" : "foreign";
      const own = new Map([...(held.get(SETS) ?? [])].filter(([name]) => !NFT_OBJECTS[family].has(name)));
      const seen = new Map([...held, [SETS, own]]);
      const hashed = [...ledger.objects(), ...ledger.unwritten().keys()].filter(isHashedMap);
      for (const object of new Set([CHAINS, SETS, ...NFT_OBJECTS[family].keys(), ...hashed])) {
        // A map of a single Service that nobody wants goes as a whole.
        const goes = isHashedMap(object) && ledger.wanted(object).size === 0;
        ledger.markSeen(object, base === "sound" && !goes ? (seen.get(object) ?? new Map()) : new Map());
      }
      unused = printUnused(family, ledger);
      return Math.max(0, ledger.backlog - before);
    },

    write: async () => {
      const count = ledger.backlog;
      const texts = printNftChanges(family, ledger, base === "foreign" ? Number.POSITIVE_INFINITY : BATCH);
      if (base === "foreign") await nft.apply(printNftTable(family) + texts.join(""));
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

    // libnftables reads every element of the table before it lists a chain, but only its own for a set: a millisecond
    // instead of seconds with tens of thousands of Services. Rules taken out of a table that stays are found by check().
    inspect: async () => {
      const set = await nft.list(`list set ${nftTable(family)} ${CONNECTIONS}`);
      return set === undefined ? "broken" : "touched";
    },

    counts: async () => {
      const counted = parseNftCounts((await nft.list(`list set ${nftTable(family)} ${CONNECTIONS}`)) ?? "");
      const unclaimed = [...counted.keys()].filter((key) => frontendOf(ledger, key) === undefined);
      if (unclaimed.length > 0) await nft.apply(printForgotten(family, unclaimed));
      return [...counted].flatMap(([key, connections]) => {
        const frontend = frontendOf(ledger, key);
        return frontend === undefined ? [] : [{ key, ...frontend, connections }];
      });
    },

    sizes: () => {
      const held = ledger.objects().filter((object) => object !== CHAINS && object !== SETS);
      return new Map([
        ["chains", ledger.wanted(CHAINS).size],
        ["elements", held.reduce((sum, object) => sum + ledger.wanted(object).size, 0)],
      ]);
    },
  };
}
