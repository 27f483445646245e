/** Opens something at the first need and keeps it open; after a failure the next need tries again. */
export function onDemand<T extends { close(): void }>(open: () => Promise<T>) {
  let opened: Promise<T> | undefined;
  return {
    get: (): Promise<T> => {
      opened ??= open().catch((error: unknown) => {
        opened = undefined;
        throw error;
      });
      return opened;
    },
    /** Nothing happens when it was never opened. */
    close: async (): Promise<void> => (await opened)?.close(),
  };
}
