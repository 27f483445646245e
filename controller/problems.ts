import type { Problem } from "../config/mod.ts";
import type { Log } from "../core/mod.ts";
import type { Reporter } from "../kube/mod.ts";
import type { ConfigKind } from "./config-stores.ts";

/**
 * Tells each mistake in the configuration once: as an event on the object that has it, and in the log.
 * @returns To be called with all problems there are now; one that went away and comes back is told again.
 */
export function problemTeller(
  kinds: readonly ConfigKind[],
  reporter: Reporter,
  log: Log,
): (problems: readonly Problem[]) => void {
  let told: ReadonlySet<string> = new Set();
  const tell = ({ kind, namespace, name, field, message }: Problem) => {
    log.warn({ event: "config.invalid", kind, namespace, name, field, reason: message }, "object left out");
    const found = kinds.find(({ resource }) => resource.kind === kind);
    const object = found?.store.get(namespace === "" ? name : `${namespace}/${name}`);
    if (found !== undefined && object !== undefined) {
      reporter.event(found.resource, object, { type: "Warning", reason: "ConfigurationInvalid", message });
    }
  };
  return (problems) => {
    for (const problem of problems) if (!told.has(problem.message)) tell(problem);
    told = new Set(problems.map(({ message }) => message));
  };
}
