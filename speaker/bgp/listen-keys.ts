import { explainError, hasCode } from "../../core/mod.ts";
import { type Address, type Family, printAddress } from "../../net/mod.ts";
import type { PeerSettings } from "./message.ts";

export interface ListenKeysPorts {
  /** Where a peer is now; undefined while that is not known. */
  readonly locate: (peer: PeerSettings) => { readonly address: Address } | undefined;
  /** Undefined while there is no listening socket of the family. */
  readonly listener: (family: Family) => { readonly fd: number } | undefined;
  /** @throws {IronbridgeError} IB_KERNEL_REFUSED */
  readonly setKey: (fd: number, address: Address, key: string | undefined) => void;
}

interface Key {
  readonly address: Address;
  readonly password: string;
}

/** The TCP-MD5 keys of the listening sockets. A key that the kernel refuses is the trouble of its peer alone. */
export class ListenKeys {
  readonly #ports: ListenKeysPorts;
  /** What the sockets have, by printed address. */
  #set = new Map<string, Key>();
  /** By the name of the peer: why its key could not be set. */
  #refused = new Map<string, string>();

  constructor(ports: ListenKeysPorts) {
    this.#ports = ports;
  }

  /** Gives the sockets the keys of `peers` where they are now, and takes away those of others. */
  apply(peers: readonly PeerSettings[]): void {
    const wanted = new Map<string, Key & { readonly name: string }>();
    for (const peer of peers) {
      const address = this.#ports.locate(peer)?.address;
      const { name, password } = peer;
      if (address === undefined || password === undefined) continue;
      wanted.set(printAddress(address), { name, address, password });
    }
    for (const [text, { address }] of this.#set) if (!wanted.has(text)) this.#take(text, address);
    this.#refused = new Map();
    for (const [text, key] of wanted) if (this.#set.get(text)?.password !== key.password) this.#give(text, key);
  }

  /** Why `peer` can't be listened for; undefined: nothing is known to be in the way. */
  refusalOf(peer: PeerSettings): string | undefined {
    return this.#refused.get(peer.name);
  }

  /** True when what comes from `address` was signed as `peer` asks for, or needs no signature. */
  guards({ password }: PeerSettings, address: Address): boolean {
    return this.#set.get(printAddress(address))?.password === password;
  }

  /** The sockets are gone, and their keys with them. */
  forget(): void {
    this.#set = new Map();
  }

  #take(text: string, address: Address): void {
    const listener = this.#ports.listener(address.family);
    if (listener !== undefined) this.#ports.setKey(listener.fd, address, undefined);
    this.#set.delete(text);
  }

  #give(text: string, { name, address, password }: Key & { readonly name: string }): void {
    const listener = this.#ports.listener(address.family);
    if (listener === undefined) return;
    this.#set.delete(text);
    try {
      this.#ports.setKey(listener.fd, address, password);
    } catch (error) {
      if (!hasCode(error, "IB_KERNEL_REFUSED")) throw error;
      const remedy = "correct spec.password or the Secret of spec.passwordSecret, or use a kernel with TCP_MD5SIG";
      this.#refused.set(name, `the kernel takes no connection with its password (${explainError(error)}); ${remedy}`);
      return;
    }
    this.#set.set(text, { address, password });
  }
}
