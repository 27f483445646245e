import type { Rtnetlink } from "../linux/mod.ts";
import { sharedRun } from "./shared-run.ts";

/** Removes the link named `name`; succeeds when there is none. */
export type RemoveLink = (name: string) => Promise<void>;

/** What is known of links without waiting for who is changing them just now. */
export interface LinkNews {
  exists(name: string): boolean;
  /** Calls `onRemoved` with the name of each link that is gone; may miss some. */
  watchRemovals(onRemoved: (name: string) => void): { close(): void };
}

export interface LinkRemover {
  readonly remove: RemoveLink;
  close(): void;
}

/**
 * Removes links in batches: the kernel waits about 20 ms for each removal, and no longer for a hundred at once. What is
 * asked for while a batch is under way makes up the next one. A link is taken for removed as soon as the kernel reports so,
 * which is most of those 20 ms earlier; the end of its batch counts where that report was lost.
 */
export function linkRemover(kernel: Pick<Rtnetlink, "deleteLinks">, news: LinkNews): LinkRemover {
  const names: string[] = [];
  const awaited = new Map<string, PromiseWithResolvers<void>>();
  const run = sharedRun(() => kernel.deleteLinks(names.splice(0)));
  const watch = news.watchRemovals((name) => awaited.get(name)?.resolve());
  return {
    remove: async (name) => {
      if (!news.exists(name)) return;
      const report = awaited.get(name) ?? Promise.withResolvers<void>();
      awaited.set(name, report);
      names.push(name);
      try {
        await Promise.race([report.promise, run()]);
      } finally {
        if (awaited.get(name) === report) awaited.delete(name);
      }
    },
    close: () => watch.close(),
  };
}
