import { exec } from "../../../linux/mod.ts";
import { addressToBytes, parseAddress } from "../../../net/mod.ts";
import type { CniNode } from "./cni-lab.ts";

/** A way of packets through the tunnel. */
export interface Flow {
  readonly from: string;
  readonly to: string;
}

const PROTOCOLS = [
  ["udp", 17],
  ["tcp", 6],
] as const;
/** Octets of the shortest transport header and of the longest packet in the tunnel. */
const SHORTEST = 8;
const LONGEST = 1450;

/**
 * As if the network card of those who send did not make the checksums it was left: `receiver` drops the packets of `flows`
 * whose UDP or TCP checksum is just what the kernel writes there for the card to begin with, the sum of the pseudo header.
 */
export async function breakChecksumsTo(receiver: CniNode, flows: readonly Flow[]): Promise<void> {
  const rules = flows.flatMap((flow) => PROTOCOLS.map(([name, number]) => printRule(flow, name, number)));
  const chain = `chain arrive { type filter hook prerouting priority raw; ${rules.join("; ")}; }`;
  const input = `table inet checksum_fault {\n${chain}\n}\n`;
  await exec("ip", ["netns", "exec", receiver.netns, "nft", "-f", "-"], { input });
}

function printRule({ from, to }: Flow, protocol: string, number: number): string {
  const v6 = from.includes(":");
  const family = v6 ? "ip6" : "ip";
  const header = v6 ? 0 : 20; // the length field of IPv4 counts it
  const elements: string[] = [];
  for (let length = SHORTEST; length <= LONGEST; length++) {
    elements.push(`${length + header} . ${pseudoSum(from, to, number, length)}`);
  }
  const match = `iifname "ironvx0" ${family} saddr ${from} ${family} daddr ${to}`;
  return `${match} ${family} length . ${protocol} checksum { ${elements.join(", ")} } counter drop`;
}

/** RFC 768, RFC 8200 section 8.1: one's complement sum of addresses, protocol and length. */
function pseudoSum(from: string, to: string, protocol: number, length: number): number {
  const octets = [from, to].flatMap((text) => [...addressToBytes(parseAddress(text))]);
  let sum = protocol + length;
  for (let i = 0; i < octets.length; i += 2) sum += octets[i]! * 256 + octets[i + 1]!;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return sum;
}
