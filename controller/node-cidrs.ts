import { explainError, hasCode, type Log, type Runner, startRunner } from "../core/mod.ts";
import { type KubeClient, type Leadership, NODES, type Reporter, type Store, type V1Node } from "../kube/mod.ts";
import { type Prefix, printPrefix } from "../net/mod.ts";
import { caughtUp } from "./catch-up.ts";
import { unlessGone } from "./config-status.ts";
import { decidePodCidrs, type PodCidrSettings, podCidrsOf } from "./pod-cidrs.ts";

export interface NodeCidrDeps {
  readonly client: KubeClient;
  readonly nodes: Store<V1Node>;
  readonly reporter: Reporter;
  readonly log: Log;
  readonly leadership?: Leadership;
  readonly settings: PodCidrSettings;
}

/** kube-controller-manager's word. */
const FULL = "CIDRNotAvailable";

/** Gives pod prefixes to nodes that have none, while this replica leads; where kube-controller-manager does not. */
export function startNodeCidrs(deps: NodeCidrDeps, signal: AbortSignal): Runner {
  const { client, nodes, reporter, log, leadership, settings } = deps;
  /** Given, but not shown by the node yet: without it the next node would get the same. */
  const promised = new Map<string, readonly Prefix[]>();
  /** Those among them that the API server has not taken yet. */
  const unwritten = new Set<string>();
  let inOffice = false;

  const takeOffice = async () => {
    promised.clear();
    unwritten.clear();
    if (leadership !== undefined) await caughtUp(client, NODES, nodes, signal);
    inOffice = true;
  };
  const forgetShown = () => {
    for (const name of promised.keys()) {
      const node = nodes.get(name);
      if (node !== undefined && podCidrsOf(node).length === 0) continue;
      promised.delete(name);
      unwritten.delete(name);
    }
  };
  const write = async (name: string) => {
    const podCIDRs = (promised.get(name) ?? []).map(printPrefix);
    // The API server lets nobody change what is set: of two who give, the second is refused.
    const body = { spec: { podCIDR: podCIDRs[0], podCIDRs } };
    await unlessGone(client.patch(NODES, { name }, { kind: "merge", body }));
    unwritten.delete(name);
    log.info({ event: "node.cidrs-given", node: name, podCIDRs }, "gave a node its pod prefixes");
  };
  const work = async () => {
    if (!nodes.synced) return;
    if (!(leadership?.leading() ?? true)) {
      inOffice = false;
      return;
    }
    if (!inOffice) await takeOffice();
    forgetShown();
    const { given, refused } = decidePodCidrs(nodes.list(), promised, settings);
    for (const [name, prefixes] of given) {
      promised.set(name, prefixes);
      unwritten.add(name);
    }
    for (const [name, message] of refused) {
      const node = nodes.get(name);
      if (node !== undefined) reporter.event(NODES, node, { type: "Warning", reason: FULL, message });
    }
    const results = await Promise.allSettled([...unwritten].map(write));
    const failure = results.find(({ status }) => status === "rejected");
    if (failure?.status === "rejected") throw failure.reason;
  };

  const runner = startRunner(
    work,
    { minInterval: 100, retryInterval: 1000, maxInterval: 300_000, onError: (error) => tellFailure(log, error) },
    signal,
  );
  void nodes.whenSynced.then(runner.poke);
  const stops = [
    nodes.subscribe(({ before, after }) => {
      if (textsOf(before) !== textsOf(after)) runner.poke();
    }),
    leadership?.subscribe(runner.poke),
  ];
  const stopAll = () => {
    for (const stop of stops) stop?.();
  };
  signal.addEventListener("abort", stopAll, { once: true });
  return runner;
}

function tellFailure(log: Log, error: unknown): void {
  if (hasCode(error, "IB_NOT_LEADER")) return;
  log.warn(
    { event: "node.cidrs-failed", error: explainError(error) },
    "cannot give a node its pod prefixes, will retry",
  );
}

/** Undefined for no node: a node that comes without a prefix is news, too. */
function textsOf(node: V1Node | undefined): string | undefined {
  return node && `${node.spec?.podCIDRs}`;
}
