/** "1" or "2": which of vitest's processes this is, as part of names that two of them must not share; "" outside of vitest. */
export const WORKER = process.env.VITEST_POOL_ID ?? "";
