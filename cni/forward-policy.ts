import type { Nft } from "../linux/mod.ts";
import { BRIDGE_NAME, type Prefix, parsePrefix, prefixContains } from "../net/mod.ts";

const TABLES = [
  { family: "ipv4", table: "ip filter", program: "iptables" },
  { family: "ipv6", table: "ip6 filter", program: "ip6tables" },
] as const;
/** Rules that accept whatever comes in or goes out by a link, or from or to a prefix. A comment leaves a second space. */
const ACCEPTS =
  /^\s*(?:(iifname|oifname) "([^"]+)"|ip6? (saddr|daddr) ([0-9a-f.:]+\/\d+))\s+(?:counter packets \d+ bytes \d+ )?accept$/gm;

/**
 * Finds the policy that Docker and ufw give the chain FORWARD of iptables-nft, when nothing there excepts pods. No rule of
 * another table can: a packet that one chain drops is gone.
 * @returns A sentence per family.
 * @throws {IronbridgeError} IB_KERNEL_REFUSED
 */
export async function forwardProblems(nft: Pick<Nft, "list">, pods: readonly Prefix[]): Promise<string[]> {
  const problems: string[] = [];
  for (const { family, table, program } of TABLES) {
    const own = pods.filter((prefix) => prefix.family === family);
    const chain = own.length === 0 ? undefined : await nft.list(`list chain ${table} FORWARD`);
    if (!chain?.includes("policy drop")) continue;
    // Exceptions may be in chains that this one leads to, as DOCKER-USER.
    const rules = (await nft.list(`list table ${table}`)) ?? "";
    if (own.every((prefix) => isExcepted(prefix, rules))) continue;
    problems.push(
      `the chain FORWARD of ${program} drops what pods send and receive (policy DROP, as Docker and ufw set it); run ` +
        `${program} -I FORWARD -i ${BRIDGE_NAME} -j ACCEPT and ${program} -I FORWARD -o ${BRIDGE_NAME} -j ACCEPT, or set the policy ACCEPT`,
    );
  }
  return problems;
}

/** Both ways: rules are there that accept what comes from the pods, and what goes to them. */
function isExcepted(pods: Prefix, rules: string): boolean {
  const accepted = [...rules.matchAll(ACCEPTS)];
  const accepts = (link: string, field: string) =>
    accepted.some(
      ([, ofLink, name, ofField, prefix = ""]) =>
        (ofLink === link && name === BRIDGE_NAME) || (ofField === field && covers(parsePrefix(prefix), pods)),
    );
  return accepts("iifname", "saddr") && accepts("oifname", "daddr");
}

function covers(wide: Prefix, { family, first, length }: Prefix): boolean {
  return wide.length <= length && prefixContains(wide, { family, value: first });
}
