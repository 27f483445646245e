import type { KubeObject, Store } from "../kube/mod.ts";

/** One part of a daemon, running. */
export interface Part {
  readonly done: Promise<void>;
  ready(): boolean;
  /** Why it is not ready, where the part itself can tell. */
  problem?(): string | undefined;
  state(): unknown;
}

/** A part that starts when `starting` resolves; until then it is not ready because of `waitsFor`. Ends with `signal`. */
export function laterPart(starting: Promise<Part>, waitsFor: string, signal: AbortSignal): Part {
  let part: Part | undefined;
  const ended = new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
  const done = async (): Promise<void> => {
    await Promise.race([
      ended,
      starting.then((started) => {
        part = started;
      }),
    ]);
    await part?.done;
    await ended;
  };
  return {
    done: done(),
    ready: () => part?.ready() ?? false,
    problem: () => (part === undefined ? waitsFor : part.problem?.()),
    state: () => part?.state() ?? { waitsFor },
  };
}

/** What a daemon knows of the cluster: ready once the API server itself has told all of it in this run. */
export function knowledgePart(stores: Readonly<Record<string, Store<KubeObject>>>): Part {
  const open = () => Object.entries(stores).filter(([, { confirmed }]) => !confirmed);
  const problem = () => {
    const names = open().map(([name]) => name);
    if (names.length === 0) return undefined;
    const recalled = open().every(([, { synced }]) => synced);
    const meanwhile = recalled ? "working from what an earlier run knew" : "nothing is known yet";
    return `the API server has not told all ${names.join(", ")}; ${meanwhile}`;
  };
  return {
    done: Promise.resolve(),
    ready: () => problem() === undefined,
    problem,
    state: () => Object.fromEntries(Object.entries(stores).map(([name, store]) => [name, store.list().length])),
  };
}
