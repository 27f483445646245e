import type { Iptables } from "../linux/mod.ts";
import type { Backend } from "./backend.ts";
import { iptablesItems, iptablesNodeItems, iptablesRangeItems } from "./iptables.ts";
import { FILTER, iptablesFixedItems, isBuiltin, SERVICES, TABLES, tableOf } from "./iptables-chain.ts";
import { parseIptablesCounts, parseIptablesSave, parsePacketCounts } from "./iptables-read.ts";
import { printChain, printIptablesChanges } from "./iptables-text.ts";
import { Ledger } from "./ledger.ts";
import type { FamilySettings } from "./settings.ts";

/** Rules in one restore. Each costs the legacy variant a copy of the whole table, so they are fewer and larger than nft's. */
const BATCH = 20_000;

/** The iptables data plane of one address family: chains of its own, and jumps to them. */
export function iptablesBackend(iptables: Iptables, settings: FamilySettings): Backend {
  const ledger = new Ledger();
  ledger.replace({ key: "fixed", created: 0 }, iptablesFixedItems(settings, iptables.randomFully));
  let stamp: string | undefined;
  const hook = `-A PREROUTING -j ${SERVICES}`;

  return {
    family: settings.family,
    drift: iptables.variant === "nft" ? "notified" : "polled",
    replace: (owner, ports) =>
      ledger.replace(
        owner,
        ports.flatMap((port) => iptablesItems(port, settings)),
      ),
    setServiceRanges: (ranges) => ledger.replace({ key: "ranges", created: 0 }, iptablesRangeItems(ranges)),
    setNodeAddresses: (addresses) => ledger.replace({ key: "node", created: 0 }, iptablesNodeItems(addresses)),

    check: async () => {
      const before = ledger.backlog;
      stamp = stampOf(iptables);
      for (const table of TABLES) {
        const found = parseIptablesSave(table, await iptables.save(table));
        const wanted = ledger.objects().filter((object) => object.startsWith(`${table} `));
        for (const object of new Set([...wanted, ...found.keys()])) markChain(ledger, object, found.get(object));
      }
      return Math.max(0, ledger.backlog - before);
    },

    write: async () => {
      const count = ledger.backlog;
      // A change by others just before ours must still be seen by the next look.
      const isUntouched = stampOf(iptables) === stamp;
      for (const script of printIptablesChanges(ledger, BATCH)) await iptables.restore(script);
      ledger.markWritten();
      if (isUntouched) stamp = stampOf(iptables);
      return count;
    },

    // Whoever empties a table empties both of these; a single rule taken out of a chain is found by check().
    inspect: async () => {
      const now = stampOf(iptables);
      if (stamp !== undefined && now === stamp) return { condition: "fine", differing: 0 };
      stamp = now;
      const rules = await iptables.list("nat", "PREROUTING");
      const filter = await iptables.list("filter", "FORWARD");
      const isHooked = rules?.split("\n").includes(hook) && filter?.includes(`-j ${FILTER}`);
      return { condition: isHooked ? "touched" : "broken", differing: 0 };
    },

    counts: async () => {
      const nat = await iptables.saveCounted("nat");
      const packets = parsePacketCounts(nat, await iptables.saveCounted("filter"));
      return { connections: parseIptablesCounts(nat), packets };
    },

    sizes: () => {
      const sizes = new Map(TABLES.map((table) => [table as string, 0]));
      for (const object of ledger.objects()) {
        const table = tableOf(object);
        sizes.set(table, (sizes.get(table) ?? 0) + countRules(ledger, object));
      }
      return sizes;
    },
    close: () => {},
  };
}

function countRules(ledger: Ledger, object: string): number {
  const values = Array.from(ledger.items(object), ([, value]) => value);
  return values.reduce((sum, value) => sum + (value === "" ? 0 : value.split("\n").length), 0);
}

/** Changes when others change the rules of the legacy variant; undefined of the other, where the kernel tells of changes. */
function stampOf(iptables: Iptables): string | undefined {
  return iptables.variant === "legacy" ? TABLES.map((table) => iptables.stamp(table)).join() : undefined;
}

/** Chains are compared as a whole, because a listing does not say which item a rule is. */
function markChain(ledger: Ledger, object: string, found: readonly string[] | undefined): void {
  if (isBuiltin(object)) {
    ledger.markSeen(
      object,
      (found ?? []).map((rule) => [rule, rule]),
    );
  } else if (found === undefined) ledger.markSeen(object, []);
  else if (found.join("\n") === printChain(ledger, object) && ledger.size(object) > 0) {
    ledger.markSeen(object, [...ledger.items(object)]);
  } else ledger.markSeen(object, [["", "something else"]]);
}
