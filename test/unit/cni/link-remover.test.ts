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

test("linkRemover() removes what is asked for meanwhile in one batch, one batch at a time", async () => {
  const kernel = slowKernel();
  const remove = linkRemover(kernel);
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
  const remove = linkRemover(kernel);
  const failing = remove("a");
  await tick();
  const next = remove("b");
  kernel.batches[0]!.fail();
  await expect(failing).rejects.toThrow("busy");
  await tick();
  kernel.batches[1]!.end();
  await next;
});
