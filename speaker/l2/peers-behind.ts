import { prefixContains, tryParseAddress } from "../../net/mod.ts";
import type { HostLink } from "./interfaces.ts";
import type { PeerAddress } from "./message.ts";

/**
 * The members that may not have been heard before `after` had more links than `before`: those on the networks of the links that
 * came, and those on none of ours, to whom a router leads, or a link that has no address yet.
 */
export function peersBehind(
  before: readonly HostLink[],
  after: readonly HostLink[],
  peers: readonly PeerAddress[],
): readonly string[] {
  const known = new Set(before.map(({ name }) => name));
  const come = after.filter(({ name }) => !known.has(name));
  if (come.length === 0) return [];
  const behind = peers.filter(({ address }) => isOn(come, address) || !isOn(after, address));
  return behind.map(({ name }) => name);
}

function isOn(links: readonly HostLink[], text: string): boolean {
  const address = tryParseAddress(text);
  return address !== undefined && links.some(({ subnets }) => subnets.some((each) => prefixContains(each, address)));
}
