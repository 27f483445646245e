import {
  IP_ADDRESS_POOLS,
  type IPAddressPool,
  L2_ADVERTISEMENTS,
  type L2Advertisement,
  type Problem,
} from "../config/mod.ts";
import type { Log } from "../core/mod.ts";
import type { KubeObject, Reporter, Resource, Store } from "../kube/mod.ts";

export interface ConfigStores {
  readonly pools: Store<IPAddressPool>;
  readonly l2Advertisements: Store<L2Advertisement>;
}

/**
 * Tells each mistake in the configuration once: as an event on the object that has it, and in the log.
 * @returns To be called with all problems there are now; one that went away and comes back is told again.
 */
export function problemTeller(
  stores: ConfigStores,
  reporter: Reporter,
  log: Log,
): (problems: readonly Problem[]) => void {
  let told: ReadonlySet<string> = new Set();
  const report = <T extends KubeObject>(resource: Resource<T>, store: Store<T>, problem: Problem) => {
    const { kind, namespace, name, field, message } = problem;
    log.warn({ event: "config.invalid", kind, namespace, name, field, reason: message }, "object left out");
    const object = store.get(namespace === "" ? name : `${namespace}/${name}`);
    if (object !== undefined)
      reporter.event(resource, object, { type: "Warning", reason: "ConfigurationInvalid", message });
  };
  return (problems) => {
    for (const problem of problems) {
      if (told.has(problem.message)) continue;
      if (problem.kind === IP_ADDRESS_POOLS.kind) report(IP_ADDRESS_POOLS, stores.pools, problem);
      else report(L2_ADVERTISEMENTS, stores.l2Advertisements, problem);
    }
    told = new Set(problems.map(({ message }) => message));
  };
}
