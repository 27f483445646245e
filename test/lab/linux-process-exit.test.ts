import { execFile } from "node:child_process";
import { expect, test } from "vitest";

const urlOf = (path: string) => JSON.stringify(new URL(`../../${path}`, import.meta.url).href);

/** A program with the speaker's thread, which holds sockets and watches the kernel, that ends with code 3. */
const PROGRAM = `
  import { Worker } from "node:worker_threads";
  import { exitWithoutTeardown } from ${urlOf("linux/mod.ts")};
  exitWithoutTeardown();
  const workerData = { node: "a", port: 7475, key: new Uint8Array(32), excludedInterfaces: [] };
  const thread = new Worker(new URL(${urlOf("speaker/l2/worker.ts")}), { workerData, execArgv: [] });
  thread.once("message", () => setTimeout(() => process.exit(3), 300)); // once it waits in its loop
`;

function exitOf(source: string): Promise<unknown> {
  const { promise, resolve } = Promise.withResolvers<unknown>();
  const args = ["--net", process.execPath, "--input-type=module", "--eval", source];
  execFile("unshare", args, (error) => resolve(error === null ? 0 : (error.signal ?? error.code)));
  return promise;
}

test("exitWithoutTeardown() ends the process with its own code though a thread holds sockets", async () => {
  expect(await exitOf(PROGRAM)).toBe(3);
});
