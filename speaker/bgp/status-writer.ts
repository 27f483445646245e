import {
  BGP_PEERS,
  type BGPPeer,
  type Condition,
  SERVICE_BGP_STATUSES,
  SESSION_CONDITION,
  type ServiceBGPStatus,
} from "../../config/mod.ts";
import { type Clock, explainError, type Log, startRunner } from "../../core/mod.ts";
import { type KubeClient, objectKey, type Store, type V1Node } from "../../kube/mod.ts";
import { applyStatusChange, STATUS_LABEL, STATUS_ROUND, type StatusChange, statusBasics } from "../service-status.ts";
import type { PeerStatus } from "./message.ts";
import type { NodePeer } from "./peer-settings.ts";

export interface BgpStatusWriterOptions {
  readonly client: KubeClient;
  /** Where ServiceBGPStatus objects live. */
  readonly namespace: string;
  readonly node: string;
  readonly ownNode: () => V1Node | undefined;
  readonly bgpPeers: Store<BGPPeer>;
  /** Services this node announces, and the names of the peers they are for. */
  readonly announced: () => ReadonlyMap<string, readonly string[]>;
  /** Undefined while this node does not know the cluster: what an earlier run wrote stands as long. */
  readonly sessions: () => readonly NodeSession[] | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/** A peer of this node and how its session stands. */
export interface NodeSession {
  readonly peer: NodePeer;
  readonly status: PeerStatus | undefined;
  /** Why it is not told some routes, in sentences. */
  readonly untold: readonly string[];
}

/** Keeps a ServiceBGPStatus for each Service this node announces, and a condition of this node on each of its BGPPeers. */
export function startBgpStatusWriter(options: BgpStatusWriterOptions, signal: AbortSignal): { poke(): void } {
  const { client, namespace, node, announced, sessions, log } = options;
  const conditions = new ConditionWriter(options);
  const home = { resource: SERVICE_BGP_STATUSES, namespace, prefix: "bgp-", owner: options.ownNode };
  const round = async () => {
    const found = sessions();
    if (found === undefined) return;
    const { items } = await client.list(SERVICE_BGP_STATUSES, {
      namespace,
      labelSelector: `${STATUS_LABEL.node}=${node}`,
    });
    await applyStatusChange(client, home, serviceStatusChange(items, announced(), node));
    await conditions.write(found);
  };
  const onError = (error: unknown) =>
    log.warn({ event: "bgp.status", reason: explainError(error) }, "could not write what BGP does to the cluster");
  return startRunner(round, { ...STATUS_ROUND, onError }, signal);
}

/** What makes the objects of `node` say what it announces; those of other nodes are theirs. */
export function serviceStatusChange(
  objects: readonly ServiceBGPStatus[],
  announced: ReadonlyMap<string, readonly string[]>,
  node: string,
): StatusChange<ServiceBGPStatus> {
  const create = new Map([...announced].map(([key, peers]) => [key, newStatus(key, peers, node)]));
  const update: ServiceBGPStatus[] = [];
  const remove: ServiceBGPStatus[] = [];
  for (const object of objects) {
    const { status } = object;
    const mine = (status?.node ?? object.metadata?.labels?.[STATUS_LABEL.node]) === node;
    if (!mine) continue;
    const key = `${status?.serviceNamespace}/${status?.serviceName}`;
    const fresh = create.get(key);
    create.delete(key);
    if (fresh === undefined) remove.push(object);
    else if (JSON.stringify(status?.peers ?? []) !== JSON.stringify(fresh.status?.peers)) {
      update.push({ ...object, status: { ...status, peers: fresh.status?.peers } });
    }
  }
  return { create: [...create.values()], update, remove };
}

function newStatus(key: string, peers: readonly string[], node: string): ServiceBGPStatus {
  const { metadata, status } = statusBasics(key, node);
  return { metadata, status: { ...status, peers: [...peers] } };
}

/** The part of a condition that says something. */
export type Statement = Pick<Condition, "status" | "reason" | "message">;

/** How a session stands, as a condition. */
export function statementOf(
  peer: NodePeer,
  status: PeerStatus | undefined,
  [untold, ...more]: readonly string[],
): Statement {
  if ("waits" in peer) return { status: "False", reason: "Waiting", message: `The session waits: ${peer.waits}.` };
  if (status?.phase === "established") {
    const surplus =
      status.tooMany === undefined ? "" : ` Of its ways to pods ${status.tooMany} are taken, and no more.`;
    const message = `The session with AS ${status.peerAsn} at ${status.remote} is up.${surplus}`;
    const reason = status.tooMany === undefined ? "Established" : "RoutesTooMany";
    if (untold === undefined) return { status: "True", reason, message };
    const rest = more.length === 0 ? "" : ` And ${more.length} more like it.`;
    return { status: "True", reason: "RoutesTooLong", message: `${message} ${untold}.${rest}` };
  }
  const why = status?.why === undefined ? "" : `: ${status.why}`;
  return { status: "False", reason: "NotEstablished", message: `There is no session${why}.` };
}

/** What conditions of BGPPeers say of the sessions; counters are not among it. */
export function standingOf(statuses: readonly PeerStatus[]): string {
  const told = ({ name, phase, remote, why, peerAsn, tooLong, tooMany }: PeerStatus) => [
    name,
    phase,
    remote,
    why,
    peerAsn,
    tooLong,
    tooMany,
  ];
  return JSON.stringify(statuses.map(told));
}

/** Writes conditions by server-side apply, so that each node owns its own among those of all nodes. */
class ConditionWriter {
  readonly #options: BgpStatusWriterOptions;
  /** What was written, by namespace/name of the peer; undefined: that there is nothing to say. */
  readonly #written = new Map<string, { readonly text: string; readonly status: string; readonly since: string }>();

  constructor(options: BgpStatusWriterOptions) {
    this.#options = options;
  }

  async write(sessions: readonly NodeSession[]): Promise<void> {
    const { bgpPeers } = this.#options;
    const wanted = new Map(
      sessions.map(({ peer, status, untold }) => [`${peer.namespace}/${peer.name}`, statementOf(peer, status, untold)]),
    );
    // An earlier run of this agent may have left some.
    const left = bgpPeers.list().filter((object) => this.#shown(object) !== undefined);
    for (const key of new Set([...this.#written.keys(), ...left.map(objectKey), ...wanted.keys()])) {
      const object = bgpPeers.get(key);
      if (object === undefined) this.#written.delete(key);
      else await this.#writeOne(key, object, wanted.get(key));
    }
  }

  #shown({ status }: BGPPeer): Condition | undefined {
    return status?.conditions?.find(({ type }) => type === this.#type);
  }

  get #type(): string {
    return `${SESSION_CONDITION}${this.#options.node}`;
  }

  async #writeOne(key: string, object: BGPPeer, statement: Statement | undefined): Promise<void> {
    const { client, node, clock } = this.#options;
    const before = this.#written.get(key);
    const text = JSON.stringify([statement, object.metadata?.generation]);
    // Others write conditions too, and may have taken ours away by mistake.
    if (before?.text === text && this.#shown(object) !== undefined) return;
    const now = clock
      .date()
      .toISOString()
      .replace(/\.\d+Z$/, "Z");
    const since = before !== undefined && before.status === statement?.status ? before.since : now;
    const condition = statement && {
      type: this.#type,
      ...statement,
      observedGeneration: object.metadata?.generation ?? 0,
      lastTransitionTime: since,
    };
    const { name = "", namespace = "" } = object.metadata ?? {};
    const body = {
      apiVersion: `${BGP_PEERS.group}/${BGP_PEERS.version}`,
      kind: BGP_PEERS.kind,
      metadata: { name, namespace },
      status: condition === undefined ? {} : { conditions: [condition] },
    };
    const patch = { kind: "apply" as const, body, fieldManager: `ironbridge-bgp-${node}`, force: true };
    await client.patch(BGP_PEERS, { name, namespace }, patch, "status");
    if (statement === undefined) this.#written.delete(key);
    else this.#written.set(key, { text, status: statement.status, since });
  }
}
