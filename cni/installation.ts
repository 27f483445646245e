import { explainError, type Log } from "../core/mod.ts";
import type { KubeClient, Store, V1Node } from "../kube/mod.ts";
import { type InstallOptions, pluginInstaller } from "./conflist.ts";
import { clearUnavailable } from "./node-condition.ts";

export interface InstallationOptions extends InstallOptions {
  /** Name of this node. */
  readonly node: string;
  readonly nodes: Store<V1Node>;
  readonly client: Pick<KubeClient, "patch">;
  readonly log: Log;
}

/** The plugin where container runtimes find it, which is how they and the cluster know that the node takes pods. */
export interface Installation {
  /** Puts there what is missing, and tells the cluster; to be called when pods can be attached. */
  keep(): void;
  isThere(): boolean;
  /** Why runtimes use another network all the same, in a sentence. */
  problem(): string | undefined;
}

export function keepInstalled({ node, nodes, client, log, ...options }: InstallationOptions): Installation {
  const install = pluginInstaller(options);
  let isThere = false;
  let problem: string | undefined;
  const tellCluster = async () => {
    const object = nodes.get(node);
    try {
      if (object !== undefined) await clearUnavailable(client, object, new Date());
    } catch (error) {
      const reason = explainError(error); // the next look tries again
      log.warn({ event: "cni.condition_refused", reason }, "the node's condition NetworkUnavailable was not cleared");
    }
  };
  return {
    keep: () => {
      const found = install();
      if (found === undefined) void tellCluster();
      else if (found !== problem) log.warn({ event: "cni.not_chosen", problem: found }, "runtimes use another network");
      problem = found;
      if (!isThere) log.info({ event: "cni.installed", confDir: options.confDir }, "container runtimes can add pods");
      isThere = true;
    },
    isThere: () => isThere,
    problem: () => problem,
  };
}
