import { attachEbpfProgram, hasErrno, type KernelObject, type Rtnetlink } from "../linux/mod.ts";
import type { FastPathEntrance } from "./fast-path-plan.ts";
import type { Entrance } from "./fast-path-program.ts";
import { KernelTable } from "./kernel-table.ts";

/** The links where programs let packets into the short way. */
export interface Entrances {
  /**
   * Makes room for the program of a new pod before its link is up, so that no packet is lost when it comes.
   * @throws {IronbridgeError} IB_KERNEL_REFUSED
   */
  prepare(ifindex: number): void;
  /** @returns What the kernel refused; the next call tries it again. */
  apply(wanted: ReadonlyMap<string, FastPathEntrance>): readonly string[];
  /** Pods' links keep their programs, uplink and tunnel don't. */
  close(): void;
}

/** The program of an earlier run is replaced or removed, whatever it was. */
type Found = Omit<FastPathEntrance, "kind"> & { readonly kind: Entrance | "of an earlier run" };

/**
 * On pods' links programs are filters: they come and go in no time, and outlive this process, so that the next one can put
 * its own in their place without a gap. Attached as those of uplink and tunnel are, each would have the kernel wait for a
 * grace period of 10 to 20 ms, in which nobody can change links: include/net/tcx.h, tcx_entry_sync(). Those two are few, may
 * have filters of others, and end with this process.
 */
export function openEntrances(kernel: Rtnetlink, programs: Readonly<Record<Entrance, KernelObject>>): Entrances {
  const attached = new Map<number, KernelObject>();
  const table = new KernelTable<Found>({
    put: ({ ifindex, kind }) => {
      if (kind === "node") attached.set(ifindex, attachEbpfProgram(programs.node, ifindex));
      else filterIfThere(kernel, ifindex, programs.pod);
    },
    take: ({ ifindex, kind }) => {
      if (kind !== "node") return kernel.unfilterIngress(ifindex);
      attached.get(ifindex)?.close();
      attached.delete(ifindex);
    },
    print: ({ kind }) => kind,
    found: findEntrances(kernel),
  });
  return {
    prepare: (ifindex) => kernel.addFilterPlace(ifindex),
    apply: (wanted) => table.apply(wanted),
    close: () => {
      for (const link of attached.values()) link.close();
    },
  };
}

/** Takes from pods' links what an earlier run left there. @throws {IronbridgeError} IB_KERNEL_REFUSED */
export function clearEntrances(kernel: Rtnetlink): void {
  for (const { ifindex } of findEntrances(kernel).values()) kernel.unfilterIngress(ifindex);
}

/** Pods of the plugins before this one have links of any name: the filter tells. */
function findEntrances(kernel: Rtnetlink): ReadonlyMap<string, Found> {
  const links = kernel.links().filter(({ index }) => kernel.hasIngressFilter(index));
  return new Map(links.map(({ index }) => [String(index), { ifindex: index, kind: "of an earlier run" }]));
}

/** A pod may have ended meanwhile. */
function filterIfThere(kernel: Rtnetlink, ifindex: number, program: KernelObject): void {
  try {
    kernel.filterIngress(ifindex, program);
  } catch (error) {
    if (!hasErrno(error, "ENODEV")) throw error;
  }
}
