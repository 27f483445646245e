/**
 * Lets many callers share runs of `work`, never two at once: who asks while it runs shares the next run, which begins
 * after all of them asked. A failed run is told to those who share it, and the next one begins all the same.
 */
export function sharedRun(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> = Promise.resolve();
  let next: Promise<void> | undefined;
  return () => {
    if (next !== undefined) return next;
    next = running.then(() => {
      next = undefined;
      return work();
    });
    running = next.catch(() => {}); // told to those who asked
    return next;
  };
}
