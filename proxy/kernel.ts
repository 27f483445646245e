import {
  type Conntrack,
  createListenSocket,
  type Iptables,
  type IptablesVariant,
  ipv6ForwardingSettings,
  listSysctls,
  type Netns,
  type Nft,
  type NftReader,
  openConntrack,
  openIptables,
  openNft,
  openNftReader,
  openRtnetlink,
  type Rtnetlink,
  readSysctl,
  runInNetns,
  type Sysctls,
  watchNft,
  watchRtnetlink,
  writeSysctl,
} from "../linux/mod.ts";
import type { Address, Family } from "../net/mod.ts";

/** The kernel of one network namespace, as far as forwarding Services needs it. */
export interface Kernel extends Sysctls {
  nft(): Promise<Nft & NftReader>;
  iptables(family: Family, variant: IptablesVariant | "auto"): Promise<Iptables>;
  /** Calls `onChange` when others changed nftables, iptables-nft included. */
  watchNft(onChange: () => void): { close(): void };
  /** Every address of every link. */
  addresses(): readonly Address[];
  /** No error when there is none of this name. */
  deleteLink(name: string): void;
  /** Calls `onChange` when an address came or went. */
  watchAddresses(onChange: () => void): { close(): void };
  conntrack(): Conntrack;
  /** A listening TCP socket, for `server.listen({ fd })`. */
  listen(address: string, port: number): number;
  writeSysctl(key: string, value: string): void;
}

/** The kernel of `netns`, or of the namespace this process is in. */
export function kernelOf(netns?: Netns): Kernel {
  const inside = <T>(work: () => T): T => (netns === undefined ? work() : runInNetns(netns, work));
  const withLinks = <T>(work: (links: Rtnetlink) => T): T => {
    const links = openRtnetlink(netns);
    try {
      return work(links);
    } finally {
      links.close();
    }
  };
  return {
    nft: async () => {
      const nft = await openNft(netns);
      // The first command gives its socket the port that journals know it by. A chain that nobody has: `list tables` would
      // read every rule of everybody first, which takes half a minute beside 10,000 Services in iptables-nft.
      await nft.list("list chain ip none none");
      return { ...nft, ...openNftReader(netns) };
    },
    iptables: (family, variant) => openIptables(family, variant, netns),
    watchNft: (onChange) => watchNft(onChange, netns),
    addresses: () => withLinks((links) => links.addresses().map(({ address }) => address)),
    deleteLink: (name) =>
      withLinks((links) => {
        const link = links.link(name);
        if (link !== undefined) links.deleteLink(link.index);
      }),
    watchAddresses: (onChange) => watchRtnetlink(["address"], onChange, netns && { netns }),
    conntrack: () => openConntrack(netns),
    listen: (address, port) => createListenSocket(address, port, netns),
    listSysctls: (directory) => inside(() => listSysctls(directory)),
    readSysctl: (key) => inside(() => readSysctl(key)),
    writeSysctl: (key, value) => inside(() => writeSysctl(key, value)),
  };
}

/** IPv6 can be absent from a kernel or switched off in it. */
export function hasFamily(kernel: Kernel, family: Family): boolean {
  return family === "ipv4" || kernel.readSysctl("net/ipv6/conf/all/forwarding") !== undefined;
}

/**
 * Lets this node forward for others, and shows packets that cross a bridge between two pods of this node to netfilter:
 * without that the answer of an endpoint on the same bridge would not be translated back.
 */
export function prepareKernel(kernel: Kernel, families: readonly Family[]): void {
  const settings = families.flatMap((family) =>
    family === "ipv4"
      ? ([
          ["net/ipv4/ip_forward", "1"],
          ["net/bridge/bridge-nf-call-iptables", "1"],
        ] as const)
      : [...ipv6ForwardingSettings(kernel), ["net/bridge/bridge-nf-call-ip6tables", "1"] as const],
  );
  for (const [key, value] of settings) {
    if (kernel.readSysctl(key) !== undefined) kernel.writeSysctl(key, value);
  }
}
