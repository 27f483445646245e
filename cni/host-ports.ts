import { type Diff, diffMaps } from "../core/mod.ts";
import type { Conntrack, Nft } from "../linux/mod.ts";
import { type Address, sameAddress } from "../net/mod.ts";
import { type AttachmentKey, printKey } from "./attachment.ts";
import { type HostPortElement, type HostPortOwner, hostPortElements, nodePortOf, PORT_PROTOCOLS } from "./host-port.ts";
import {
  HOST_PORT_TABLE,
  type HostPortListing,
  printHostPortChange,
  printHostPortTable,
  readHostPortTable,
} from "./host-port-table.ts";
import { sharedRun } from "./shared-run.ts";

/** The node's host ports in the kernel. Pods without any cost nothing. */
export interface HostPorts {
  /** Resolves when the ports lead to the pod. @throws {IronbridgeError} IB_KERNEL_REFUSED, and forgets them again. */
  open(owner: HostPortOwner): Promise<void>;
  /** Resolves when no port leads to the attachment any more. @throws {IronbridgeError} IB_KERNEL_REFUSED */
  close(key: AttachmentKey): Promise<void>;
  /** Puts back what others changed. @throws {IronbridgeError} IB_KERNEL_REFUSED */
  repair(): Promise<void>;
  /** Host ports of the attachment that do not lead to it, in words. */
  missing(key: AttachmentKey): Promise<string[]>;
}

export interface HostPortKernel {
  nft(): Promise<Pick<Nft, "apply" | "list">>;
  readonly conntrack: Pick<Conntrack, "flows" | "remove">;
  /** Addresses of the node, to tell connections to it from connections through it. */
  addresses(): readonly Address[];
}

/** By "set key". */
type Elements = ReadonlyMap<string, HostPortElement>;

/** @param owners Pods from before, in the order they came. */
export function hostPorts(kernel: HostPortKernel, owners: readonly HostPortOwner[]): HostPorts {
  const known = new Map(owners.filter(hasPorts).map((owner) => [printKey(owner.key), owner]));
  let applied: Elements | undefined;
  /** The table without its elements, as the kernel prints it. */
  let frame: string | undefined;
  let doubtful = false;

  const read = async () => {
    const listing = await (await kernel.nft()).list(`list table ${HOST_PORT_TABLE}`);
    return listing === undefined ? undefined : readHostPortTable(listing);
  };
  const write = async (nft: Pick<Nft, "apply">, wanted: Elements): Promise<Iterable<string>> => {
    const found = (await read())?.elements ?? new Map<string, string>();
    await nft.apply(printHostPortTable(wanted.values()));
    frame = (await read())?.frame;
    const values = new Map([...wanted].map(([name, { value }]) => [name, value]));
    return changedNames(diffMaps(found, values, String));
  };
  const change = async (nft: Pick<Nft, "apply">, before: Elements, wanted: Elements): Promise<Iterable<string>> => {
    const difference = diffMaps(before, wanted, ({ value }) => value);
    const text = printHostPortChange(before, difference);
    if (text !== "") await nft.apply(text);
    return changedNames(difference);
  };
  const apply = async (wanted: Elements) => {
    const nft = await kernel.nft();
    const before = applied;
    applied = undefined;
    const changed = await (before === undefined ? write(nft, wanted) : change(nft, before, wanted));
    applied = wanted;
    forgetFlows(kernel, changed);
  };

  const sync = sharedRun(async () => {
    if (doubtful && applied !== undefined && !isSame(await read(), frame, applied)) applied = undefined;
    doubtful = false;
    const wanted = hostPortElements(known.values());
    try {
      await apply(wanted);
    } catch (error) {
      if (applied !== undefined) throw error; // the rules are in place, the rest failed
      await apply(wanted); // somebody changed the table: write all of it
    }
  });

  return {
    open: async (owner) => {
      if (!hasPorts(owner)) return;
      const name = printKey(owner.key);
      known.delete(name); // to the end of the order
      known.set(name, owner);
      try {
        await sync();
      } catch (error) {
        known.delete(name);
        throw error;
      }
    },
    close: async (key) => {
      if (known.delete(printKey(key))) await sync();
    },
    repair: () => {
      doubtful = true;
      return sync();
    },
    missing: async (key) => {
      const owner = known.get(printKey(key));
      if (owner === undefined) return [];
      const found = await read();
      const wanted = [...hostPortElements([owner]).values()];
      return wanted
        .filter((element) => found?.elements.get(`${element.set} ${element.key}`) !== element.value)
        .map(({ key: port, value }) => `${port} to ${value}`);
    },
  };
}

function isSame(
  found: HostPortListing | undefined,
  frame: string | undefined,
  wanted: ReadonlyMap<string, HostPortElement>,
): boolean {
  if (found === undefined || found.frame !== frame || found.elements.size !== wanted.size) return false;
  return [...wanted].every(([name, { value }]) => found.elements.get(name) === value);
}

function hasPorts({ hostPorts: ports }: HostPortOwner): boolean {
  return ports.length > 0;
}

function changedNames({ set, remove }: Diff<unknown>): string[] {
  return [...set.keys(), ...remove];
}

/**
 * Clients of protocols without an end of a connection would go on with the pod they had, or with none. Connections that
 * only pass through the node to a port of that number are left alone.
 * @param changed Names of elements.
 */
function forgetFlows({ conntrack, addresses }: HostPortKernel, changed: Iterable<string>): void {
  const ports = [...changed].map(nodePortOf).filter((port) => port !== undefined);
  const endless = ports.filter(({ protocol }) => protocol !== "tcp");
  if (endless.length === 0) return;
  const own = addresses();
  for (const { family, protocol, hostPort: destinationPort, hostAddress } of endless) {
    const filter = { family, protocol: PORT_PROTOCOLS[protocol], destinationPort };
    const targets = hostAddress === undefined ? own : [hostAddress];
    for (const flow of conntrack.flows(filter)) {
      if (targets.some((target) => sameAddress(target, flow.original.destination))) conntrack.remove(flow);
    }
  }
}
