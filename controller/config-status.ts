import {
  COMPONENT_LABEL,
  CONFIGURATION_STATES,
  type ConditionNews,
  type ConfigurationState,
  configurationStatus,
  type Problem,
  SESSION_CONDITION,
  VALID,
  withCondition,
} from "../config/mod.ts";
import { type Clock, explainError, type Log, type Runner, startRunner } from "../core/mod.ts";
import { type KubeClient, refusalStatus, type Store, type V1Node } from "../kube/mod.ts";
import type { ConfigKind, ConfigObject } from "./config-stores.ts";
import { type Verdicts, verdictKey } from "./config-verdicts.ts";

/** What the controller found when it last read the configuration. */
export interface ConfigReport {
  readonly verdicts: Verdicts;
  /** What is wrong with pools: the controller itself uses nothing else. */
  readonly poolProblems: readonly Problem[];
}

export interface ConfigStatusDeps {
  readonly client: KubeClient;
  readonly kinds: readonly ConfigKind[];
  /** What others say of sessions with nodes that are none of these is taken away. */
  readonly nodes: Store<V1Node>;
  /** Undefined: no ConfigurationState is kept, since nobody said where. */
  readonly states?: { readonly namespace: string; readonly store: Store<ConfigurationState> };
  /** Undefined until there is one, and while another replica leads. */
  readonly report: () => ConfigReport | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

const STATE_NAME = "controller";
const POOLS_VALID = "poolReconcilerValid";

/** Keeps the condition of every configuration object true, and the ConfigurationState, also when somebody deletes it. */
export function startConfigStatus(deps: ConfigStatusDeps, signal: AbortSignal): Runner {
  const { client, kinds, log } = deps;
  const now = () => deps.clock.date();
  const work = async () => {
    const report = deps.report();
    if (report === undefined) return;
    const isPresent = nodeTest(deps.nodes);
    for (const { resource, store } of kinds) {
      for (const object of store.list()) {
        const verdict = report.verdicts.get(verdictKey(resource.kind, object));
        const conditions = newConditions(object, verdict, isPresent, now);
        if (conditions === undefined) continue;
        const { namespace = "", name = "" } = object.metadata ?? {};
        const body = { status: { conditions } };
        await unlessGone(client.patch(resource, { namespace, name }, { kind: "merge", body }, "status"));
      }
    }
    if (deps.states !== undefined) await keepState(client, deps.states, report.poolProblems, now);
  };
  const onError = (error: unknown) =>
    log.warn(
      { event: "config.status-failed", error: explainError(error) },
      "cannot write what was found about objects",
    );
  return startRunner(work, { minInterval: 200, retryInterval: 2000, maxInterval: 300_000, onError }, signal);
}

/** Whether there is a node of a name; every one counts as there while the nodes are not known. */
function nodeTest(nodes: Store<V1Node>): (name: string) => boolean {
  return (name) => !nodes.synced || nodes.get(name) !== undefined;
}

/** Undefined when the object says all of it already. */
function newConditions(
  object: ConfigObject,
  news: ConditionNews | undefined,
  isPresent: (node: string) => boolean,
  now: () => Date,
) {
  if (news === undefined) return undefined;
  const shown = object.status?.conditions ?? [];
  const standing = shown.filter(({ type }) => !isOfSession(type) || isPresent(type.slice(SESSION_CONDITION.length)));
  const conditions = withCondition(standing, VALID, news, now);
  return conditions === standing && standing.length === shown.length ? undefined : conditions;
}

function isOfSession(type: string): boolean {
  return type.startsWith(SESSION_CONDITION);
}

async function keepState(
  client: KubeClient,
  { namespace, store }: NonNullable<ConfigStatusDeps["states"]>,
  problems: readonly Problem[],
  now: () => Date,
): Promise<void> {
  const name = { namespace, name: STATE_NAME };
  const shown = store.get(`${namespace}/${STATE_NAME}`);
  const messages = problems.map(({ message }) => message);
  const status = configurationStatus(shown, POOLS_VALID, messages, now);
  if (status === undefined) return;
  if (shown === undefined) {
    const labels = { [COMPONENT_LABEL]: STATE_NAME };
    try {
      await client.create(CONFIGURATION_STATES, { metadata: { ...name, labels } });
    } catch (error) {
      if (refusalStatus(error) !== 409) throw error; // there already, the store does not show it yet
    }
  }
  await unlessGone(client.patch(CONFIGURATION_STATES, name, { kind: "merge", body: { status } }, "status"));
}

/** An object deleted since it was read needs no status. */
export async function unlessGone(write: Promise<unknown>): Promise<void> {
  try {
    await write;
  } catch (error) {
    if (refusalStatus(error) !== 404) throw error;
  }
}
