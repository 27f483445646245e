import {
  COMPONENT_LABEL,
  CONFIGURATION_STATES,
  type ConfigurationState,
  configurationStatus,
  NODE_LABEL,
} from "../../config/mod.ts";
import { type Clock, explainError, type Log, type Runner, startRunner } from "../../core/mod.ts";
import { type KubeClient, refusalStatus, type Store, type V1Node, type V1ObjectMeta } from "../../kube/mod.ts";
import { ownedByNode } from "../node-owner.ts";

export interface ConfigurationStateOptions {
  readonly client: KubeClient;
  /** Where the object lives. */
  readonly namespace: string;
  readonly node: string;
  /** The object goes with it, and is not made while it is not known. */
  readonly ownNode: () => V1Node | undefined;
  /** Shows this node's own at the least. */
  readonly states: Store<ConfigurationState>;
  /** What is wrong with the configuration, in sentences; undefined: it has not been read yet. */
  readonly problems: () => readonly string[] | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/** Milliseconds between two rounds, after a failed one, and after which one is made though nothing changed. */
const ROUND = { minInterval: 200, retryInterval: 10_000, maxInterval: 300_000 } as const;
/** MetalLB's words. */
const COMPONENT = "speaker";
const CONDITION = "configReconcilerValid";

/** Name of the object of a node's speaker. */
export function configurationStateName(node: string): string {
  return `${COMPONENT}-${node}`;
}

/** Says in a ConfigurationState whether this node's speaker can use the whole configuration; makes it anew when it is deleted. */
export function startConfigurationStateWriter(options: ConfigurationStateOptions, signal: AbortSignal): Runner {
  const { client, namespace, node, ownNode, states, problems, clock, log } = options;
  const name = { namespace, name: configurationStateName(node) };
  const round = async () => {
    const found = problems();
    if (found === undefined || !states.synced) return;
    const shown = states.get(`${namespace}/${name.name}`);
    const status = configurationStatus(shown, CONDITION, found, () => clock.date());
    if (status === undefined) return;
    const owned = ownedByNode(ownNode());
    if (shown === undefined && owned === undefined) return;
    if (shown === undefined) await create({ ...owned });
    await client.patch(CONFIGURATION_STATES, name, { kind: "merge", body: { status } }, "status");
  };
  const create = async (owned: V1ObjectMeta) => {
    const labels = { [COMPONENT_LABEL]: COMPONENT, [NODE_LABEL]: node };
    try {
      await client.create(CONFIGURATION_STATES, { metadata: { ...name, ...owned, labels } });
    } catch (error) {
      if (refusalStatus(error) !== 409) throw error; // there already, the store does not show it yet
    }
  };
  const onError = (error: unknown) =>
    log.warn({ event: "bgp.state", reason: explainError(error) }, "could not write the ConfigurationState");
  const runner = startRunner(round, { ...ROUND, onError }, signal);
  signal.addEventListener("abort", states.subscribe(runner.poke), { once: true });
  return runner;
}
