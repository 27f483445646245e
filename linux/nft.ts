/** nftables of the network namespace this process runs in, spoken as text. */
export interface Nft {
  /**
   * Applies `script` as one transaction: all of it or nothing.
   * @throws {IronbridgeError} IB_KERNEL_REFUSED with nft's own words and the line it points at.
   */
  apply(script: string): Promise<void>;
  /** The answer to a `list ...` command, as text; undefined when the object does not exist. */
  list(command: string): Promise<string | undefined>;
  close(): void;
}

/** libnftables in process where the library is there, else the `nft` program. */
export declare function openNft(): Promise<Nft>;

/** Calls `onChange` when anybody but this process changed nftables in this namespace (an iptables-nft program too). */
export declare function watchNft(onChange: () => void): { close(): void };
