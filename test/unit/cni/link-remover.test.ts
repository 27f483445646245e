import { setImmediate as tick } from "node:timers/promises";
import { expect, test } from "vitest";
import { linkRemover } from "../../../cni/link-remover.ts";

/** A kernel whose removals end when the test says so. */
function slowKernel() {
  const batches: { readonly names: readonly string[]; readonly end: () => void; readonly fail: () => void }[] = [];
  const deleteLinks = (names: readonly string[]) => {
    const gate = Promise.withResolvers<void>();
    batches.push({ names: [...names], end: gate.resolve, fail: () => gate.reject(new Error("busy")) });
    return gate.promise;
  };
  return { batches, deleteLinks };
}

/** Reports that the test makes. */
function news(absent: readonly string[] = []) {
  let report: (name: string) => void = () => {};
  const watchRemovals = (onRemoved: (name: string) => void) => {
    report = onRemoved;
    return { close() {} };
  };
  return { exists: (name: string) => !absent.includes(name), watchRemovals, report: (name: string) => report(name) };
}

test("linkRemover() removes what is asked for meanwhile in one batch, one batch at a time", async () => {
  const kernel = slowKernel();
  const { remove } = linkRemover(kernel, news());
  const first = [remove("a"), remove("b")];
  await tick();
  const second = [remove("c"), remove("d"), remove("e")];
  await tick();
  expect(kernel.batches.map(({ names }) => names)).toEqual([["a", "b"]]);
  kernel.batches[0]!.end();
  await Promise.all(first);
  await tick();
  expect(kernel.batches[1]!.names).toEqual(["c", "d", "e"]);
  kernel.batches[1]!.end();
  await Promise.all(second);
});

test("linkRemover() tells those of a batch that failed, and goes on with the next", async () => {
  const kernel = slowKernel();
  const { remove } = linkRemover(kernel, news());
  const failing = remove("a");
  await tick();
  const next = remove("b");
  kernel.batches[0]!.fail();
  await expect(failing).rejects.toThrow("busy");
  await tick();
  kernel.batches[1]!.end();
  await next;
});

test("linkRemover() takes a link for removed as soon as that is reported, whatever becomes of its batch", async () => {
  const kernel = slowKernel();
  const reports = news();
  const { remove } = linkRemover(kernel, reports);
  const both = [remove("a"), remove("b"), remove("a")];
  await tick();
  reports.report("a");
  await Promise.all([both[0], both[2]]);
  reports.report("other");
  kernel.batches[0]!.fail();
  await expect(both[1]).rejects.toThrow("busy");

  const again = remove("a"); // not taken for removed by the report of its namesake
  await tick();
  const told = await Promise.race([again.then(() => "removed"), tick("under way")]);
  expect(told).toBe("under way");
  kernel.batches[1]!.end();
  await again;
});

test("linkRemover() has nothing to do for a link that is not there", async () => {
  const kernel = slowKernel();
  const { remove } = linkRemover(kernel, news(["gone"]));
  await remove("gone");
  await tick();
  expect(kernel.batches).toEqual([]);
});
