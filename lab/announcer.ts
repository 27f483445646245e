import { runCommand, runInHost } from "./command.ts";
import type { LabHost } from "./topology.ts";

/** Answers of `ip -json`, as far as they are read here. */
interface IpNeighbour {
  readonly lladdr?: string;
}
interface IpLink {
  readonly address: string;
}

/**
 * The host whose MAC address `client` has in its ARP cache for `address`: the node that answers for it on the LAN.
 * Undefined when the cache has no entry, or one of nobody known.
 */
export async function findAnnouncer(
  client: LabHost,
  hosts: readonly LabHost[],
  address: string,
): Promise<string | undefined> {
  const { stdout } = await runInHost(client.netns, "ip", ["-json", "neighbour", "show", "to", address]);
  const mac = (JSON.parse(stdout || "[]") as IpNeighbour[])[0]?.lladdr;
  if (mac === undefined) return undefined;
  const macs = await Promise.all(hosts.map(macOf));
  return hosts.find((_, i) => macs[i] === mac)?.name;
}

/** The MAC address of a host on the LAN. */
async function macOf({ netns }: LabHost): Promise<string | undefined> {
  const { stdout } = await runCommand("ip", ["-netns", netns, "-json", "link", "show", "dev", "eth0"]);
  return (JSON.parse(stdout || "[]") as IpLink[])[0]?.address;
}
