import { prefixContains, tryParseAddress } from "../../net/mod.ts";
import type { HostLink } from "./interfaces.ts";
import type { PeerAddress } from "./message.ts";

/** Remembers links that are gone for the moment, by name: a cable is out, a device is being made anew. */
export class AbsentLinks {
  readonly #absent = new Map<string, HostLink>();

  /** @returns The links that have come; those that are back as they were, for an address may come later than its link. */
  follow(before: readonly HostLink[], after: readonly HostLink[]): readonly HostLink[] {
    const names = (links: readonly HostLink[]) => new Set(links.map(({ name }) => name));
    const [known, present] = [names(before), names(after)];
    const come = after.filter(({ name }) => !known.has(name)).map((link) => this.#absent.get(link.name) ?? link);
    for (const { name } of come) this.#absent.delete(name);
    for (const link of before) if (!present.has(link.name)) this.#absent.set(link.name, link);
    return come;
  }
}

/**
 * The members that may not have been heard while `come` were not there: those on their networks, and those on none of ours,
 * to whom a router leads.
 */
export function peersBehind(
  come: readonly HostLink[],
  links: readonly HostLink[],
  peers: readonly PeerAddress[],
): readonly string[] {
  const isOn = (each: readonly HostLink[], text: string) => {
    const address = tryParseAddress(text);
    return (
      address !== undefined && each.some(({ subnets }) => subnets.some((subnet) => prefixContains(subnet, address)))
    );
  };
  if (come.length === 0) return [];
  return peers.filter(({ address }) => isOn(come, address) || !isOn(links, address)).map(({ name }) => name);
}
