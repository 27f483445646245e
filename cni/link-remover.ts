import type { Rtnetlink } from "../linux/mod.ts";
import { sharedRun } from "./shared-run.ts";

/** Removes the link named `name`; succeeds when there is none. */
export type RemoveLink = (name: string) => Promise<void>;

/**
 * Removes links in batches: the kernel waits about 20 ms for each removal, and no longer for a hundred at once. What is
 * asked for while a batch is under way makes up the next one.
 */
export function linkRemover(kernel: Pick<Rtnetlink, "deleteLinks">): RemoveLink {
  const names: string[] = [];
  const run = sharedRun(() => kernel.deleteLinks(names.splice(0)));
  return (name) => {
    names.push(name);
    return run();
  };
}
