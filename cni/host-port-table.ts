import type { Diff } from "../core/mod.ts";
import { BRIDGE_NAME, type Family } from "../net/mod.ts";
import { elementName, FAMILY_SUFFIX, type HostPortElement } from "./host-port.ts";

export const HOST_PORT_TABLE = "inet ironbridge_hostport";

const FAMILIES: readonly { readonly family: Family; readonly ip: string; readonly suffix: string }[] = [
  { family: "ipv4", ip: "ip", suffix: FAMILY_SUFFIX.ipv4 },
  { family: "ipv6", ip: "ip6", suffix: FAMILY_SUFFIX.ipv6 },
];

/**
 * The whole table as one transaction. Its rules never change, pods are elements only.
 *
 * 127.0.0.1 works too: such packets leave with the gateway's address, and the guard keeps what comes from pods with a
 * loopback address out, since net/ipv4/conf/.../route_localnet would let it in (CVE-2020-8558). ::1 can't be routed to
 * another interface, so it stays with what listens there.
 */
export function printHostPortTable(elements: Iterable<HostPortElement>): string {
  const lines = [`add table ${HOST_PORT_TABLE}`, `delete table ${HOST_PORT_TABLE}`, `table ${HOST_PORT_TABLE} {`];
  for (const { family, suffix } of FAMILIES) {
    const target = `${family}_addr . inet_service`;
    lines.push(
      `  map own_${suffix} { type ${family}_addr . inet_proto . inet_service : ${target}; }`,
      `  map any_${suffix} { type inet_proto . inet_service : ${target}; }`,
      `  set hairpin_${suffix} { type ${family}_addr . ${family}_addr; }`,
    );
  }
  lines.push("  chain dispatch {");
  for (const { ip, suffix } of FAMILIES) {
    lines.push(
      `    dnat ${ip} to ${ip} daddr . meta l4proto . th dport map @own_${suffix}`,
      `    dnat ${ip} to meta l4proto . th dport map @any_${suffix}`,
    );
  }
  lines.push("  }");
  // After the Services, which have the say where both want a port.
  for (const [hook, priority] of [
    ["prerouting", "dstnat + 10"],
    ["output", "-90"],
  ]) {
    lines.push(`  chain ${hook} {`, `    type nat hook ${hook} priority ${priority}; policy accept;`);
    lines.push("    ip6 daddr ::1 accept", "    fib daddr type local jump dispatch", "  }");
  }
  lines.push("  chain postrouting {", "    type nat hook postrouting priority srcnat - 5; policy accept;");
  for (const { ip, suffix } of FAMILIES) {
    lines.push(`    ct status dnat ${ip} saddr . ${ip} daddr @hairpin_${suffix} masquerade`);
  }
  lines.push(`    ct status dnat ip saddr 127.0.0.0/8 oifname "${BRIDGE_NAME}" masquerade`, "  }");
  lines.push("  chain guard {", "    type filter hook prerouting priority raw; policy accept;");
  lines.push(`    iifname "${BRIDGE_NAME}" ip daddr 127.0.0.0/8 drop`);
  lines.push(`    iifname "${BRIDGE_NAME}" ip saddr 127.0.0.0/8 drop`, "  }", "}");
  return `${lines.join("\n")}\n${printElements("add", elements)}`;
}

/** One transaction; an element whose value changed is deleted first. Empty when nothing changes. */
export function printHostPortChange(
  applied: ReadonlyMap<string, HostPortElement>,
  change: Diff<HostPortElement>,
): string {
  const gone = [...change.remove, ...change.set.keys()].flatMap((name) => applied.get(name) ?? []);
  return printElements("delete", gone) + printElements("add", change.set.values());
}

function printElements(verb: "add" | "delete", elements: Iterable<HostPortElement>): string {
  const bySet = Map.groupBy(elements, ({ set }) => set);
  const lines = [...bySet].map(([set, members]) => {
    const texts = members.map(({ key, value }) => (verb === "delete" || value === "" ? key : `${key} : ${value}`));
    return `${verb} element ${HOST_PORT_TABLE} ${set} { ${texts.join(", ")} }\n`;
  });
  return lines.join("");
}

/** What `nft list table` says: everything but elements, and the elements by "set key" with their values. */
export interface HostPortListing {
  readonly frame: string;
  readonly elements: ReadonlyMap<string, string>;
}

const BLOCK = /(?:map|set) (\w+) \{[^{}]*?elements = \{([^}]*)\}/g;

export function readHostPortTable(listing: string): HostPortListing {
  const elements = new Map<string, string>();
  for (const [, set = "", body = ""] of listing.matchAll(BLOCK)) {
    for (const item of body.split(",")) {
      const [key = "", value = ""] = item.trim().split(" : ");
      elements.set(elementName({ set, key }), value);
    }
  }
  return { frame: listing.replaceAll(/\n\s*elements = \{[^}]*\}/g, ""), elements };
}
