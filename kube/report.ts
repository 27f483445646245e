import type { Log } from "../core/mod.ts";
import type { KubeClient } from "./client.ts";
import type { KubeObject, Resource } from "./object.ts";

export interface EventNote {
  readonly type: "Normal" | "Warning";
  /** PascalCase, MetalLB's word where one exists. */
  readonly reason: string;
  readonly message: string;
}

/** Tells people what happened to an object. Never throws and never blocks: events are best effort, failures are logged. */
export interface Reporter {
  /** The same note on the same object again only counts up. */
  event<T extends KubeObject>(resource: Resource<T>, object: T, note: EventNote): void;
  /** Resolves when everything reported so far has been sent or given up. */
  flush(): Promise<void>;
}

/** @param component Shown as the event's source, for example "ironbridge-controller". */
export declare function createReporter(client: KubeClient, component: string, log: Log): Reporter;

/** Keeps what was reported, for tests. */
export declare function fakeReporter(): Reporter & {
  readonly notes: readonly (EventNote & { readonly key: string })[];
};
