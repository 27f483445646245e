import type { Rtnetlink } from "../linux/mod.ts";

/** Removes the link named `name`; succeeds when there is none. */
export type RemoveLink = (name: string) => Promise<void>;

/**
 * Removes links in batches: the kernel waits about 20 ms for each removal, and no longer for a hundred at once. What is
 * asked for while a batch is under way makes up the next one.
 */
export function linkRemover(kernel: Pick<Rtnetlink, "deleteLinks">): RemoveLink {
  let running: Promise<void> = Promise.resolve();
  let next: { readonly names: string[]; readonly done: Promise<void> } | undefined;

  const startBatch = () => {
    const names: string[] = [];
    const done = running.then(() => {
      next = undefined;
      return kernel.deleteLinks(names);
    });
    running = done.catch(() => {}); // told to those who asked; the batch after it starts all the same
    next = { names, done };
    return next;
  };

  return (name) => {
    const batch = next ?? startBatch();
    batch.names.push(name);
    return batch.done;
  };
}
