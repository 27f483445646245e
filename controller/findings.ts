import { type Config, type Problem, resolveConfig } from "../config/mod.ts";
import type { Log } from "../core/mod.ts";
import type { Reporter } from "../kube/mod.ts";
import type { ConfigReport } from "./config-status.ts";
import { type ConfigKind, type ConfigStores, configKinds, readStores } from "./config-stores.ts";
import { verdictsOf } from "./config-verdicts.ts";
import { problemTeller } from "./problems.ts";

/** What this replica found in the configuration when it last read it, and has told people about. */
export class Findings {
  readonly kinds: readonly ConfigKind[];
  readonly #stores: ConfigStores;
  readonly #newTeller: () => ReturnType<typeof problemTeller>;
  #tell: ReturnType<typeof problemTeller>;
  #report: ConfigReport | undefined;
  #problems: readonly Problem[] = [];

  constructor(stores: ConfigStores, reporter: Reporter, log: Log) {
    this.#stores = stores;
    this.kinds = configKinds(stores);
    this.#newTeller = () => problemTeller(this.kinds, reporter, log);
    this.#tell = this.#newTeller();
  }

  /** Undefined until there is one, and while another replica leads. */
  get report(): ConfigReport | undefined {
    return this.#report;
  }

  get problems(): readonly Problem[] {
    return this.#problems;
  }

  /** Reads the configuration. What is wrong is told only once all kinds are known: what seems missing may still come. */
  read({ complete }: { readonly complete: boolean }): Config {
    const config = resolveConfig(readStores(this.#stores));
    if (!complete) return config;
    this.#problems = config.problems;
    const objects = this.kinds.flatMap(({ resource, store }) =>
      store.list().map((object) => ({ kind: resource.kind, object })),
    );
    const poolProblems = config.problems.filter(({ kind }) => kind === "IPAddressPool");
    this.#report = { verdicts: verdictsOf(objects, config), poolProblems };
    this.#tell(config.problems);
    return config;
  }

  /** Another replica leads: it tells what is found from now on, and this one begins anew if it comes to lead. */
  retire(): void {
    this.#report = undefined;
    this.#tell = this.#newTeller();
  }
}
