import type { V1Lease as ClientLease } from "@kubernetes/client-node";
import { type Clock, explainError, IronbridgeError, type Log, startRunner, systemClock } from "../core/mod.ts";
import type { KubeClient, ObjectName } from "./client.ts";
import type { Resource, Wire } from "./object.ts";
import { refusalStatus } from "./refusal.ts";

export type V1Lease = Wire<ClientLease>;

export const LEASES: Resource<V1Lease> = {
  group: "coordination.k8s.io",
  version: "v1",
  kind: "Lease",
  plural: "leases",
  namespaced: true,
};

export interface ElectionOptions {
  readonly lease: { readonly namespace: string; readonly name: string };
  /** Of this candidate, and of no other. */
  readonly identity: string;
  /** Milliseconds without a renewal after which the others take the lease. */
  readonly duration: number;
  readonly log: Log;
  readonly clock?: Clock;
}

/** Which of several replicas of a program does its work. */
export interface Leadership {
  /** True only while no other candidate can have taken the lease, whatever the API server does meanwhile. */
  leading(): boolean;
  /** The holder as last seen; "" when there is none. */
  holder(): string;
  /** Called after leading() has changed. Returns the way to stop. */
  subscribe(listener: () => void): () => void;
  /** Resolves once `signal` was aborted and the lease has been given back. */
  readonly done: Promise<void>;
}

/** Shares of the duration: how often to look, when to renew, and when to stop without a renewal. */
const LOOK = 0.1;
const RENEW = 0.25;
/** The rest is for writes under way when the leader stops, and for clocks that don't run alike. */
const STOP = 0.75;
/** A look that takes longer is given up, since the next one may meet an API server that answers. */
const PATIENCE = 0.5;

/**
 * Takes part in the election of a leader over a Lease, as client-go's leaderelection does: whoever sees a lease unchanged
 * for its duration by its own clock may take it; times in the object are for people. The lease is given back at the end.
 */
export function startElection(client: KubeClient, options: ElectionOptions, signal: AbortSignal): Leadership {
  const { lease: name, identity, duration, log, clock = systemClock } = options;
  const listeners = new Set<() => void>();
  let seen: { readonly lease: V1Lease | undefined; readonly at: number } | undefined;
  /** When the last successful renewal was begun. */
  let renewed = Number.NEGATIVE_INFINITY;
  let told = false;
  let cancelStop = () => {};

  const leading = () => clock.now() - renewed < duration * STOP;
  const tell = () => {
    if (told === leading()) return;
    told = leading();
    log.info({ event: told ? "election.won" : "election.lost", identity }, told ? "leading" : "not leading any more");
    for (const listener of listeners) listener();
  };

  const look = async () => {
    const lease = await client.get(LEASES, name);
    const changed = lease?.metadata?.resourceVersion !== seen?.lease?.metadata?.resourceVersion;
    if (seen === undefined || changed) seen = { lease, at: clock.now() };
  };

  const mayTake = () => {
    const holder = seen?.lease?.spec?.holderIdentity ?? "";
    return holder === "" || holder === identity || clock.now() - (seen?.at ?? 0) >= duration;
  };

  const take = async () => {
    const begun = clock.now();
    const wanted = leaseOf(name, seen?.lease, identity, duration, clock.date());
    try {
      const written =
        seen?.lease === undefined ? await client.create(LEASES, wanted) : await client.update(LEASES, wanted);
      seen = { lease: written, at: clock.now() };
    } catch (error) {
      if (refusalStatus(error) === 409) return; // another candidate was faster
      throw error;
    }
    renewed = begun;
    cancelStop();
    cancelStop = clock.after(duration * STOP, tell);
    tell();
  };

  const attempt = async () => {
    if (leading() && clock.now() - renewed < duration * RENEW) return;
    await look();
    if (mayTake()) await take();
    tell();
  };

  const giveBack = async () => {
    cancelStop();
    if (!leading() || seen?.lease === undefined) return;
    renewed = Number.NEGATIVE_INFINITY;
    await client
      .update(LEASES, { ...seen.lease, spec: { ...seen.lease.spec, holderIdentity: "" } })
      .catch((error) => log.warn({ event: "election.kept", error: explainError(error) }, "cannot give the lease back"));
  };

  const onError = (error: unknown) => {
    log.debug({ event: "election.failed", error: explainError(error) }, "cannot look at the lease");
    tell();
  };
  const pace = { minInterval: duration * LOOK, retryInterval: duration * LOOK, maxInterval: duration * LOOK, onError };
  const runner = startRunner(() => within(attempt(), duration * PATIENCE, clock), pace, signal);

  return {
    leading,
    holder: () => seen?.lease?.spec?.holderIdentity ?? "",
    subscribe: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    done: runner.done.then(giveBack),
  };
}

/**
 * A client that writes only while `leading()`: a replica that has lost the lease can't write what it decided before.
 * Its writes throw IB_NOT_LEADER then.
 */
export function fencedClient(client: KubeClient, leading: () => boolean): KubeClient {
  const fence = <Args extends unknown[], Result>(write: (...args: Args) => Promise<Result>) => {
    return async (...args: Args): Promise<Result> => {
      if (!leading()) throw new IronbridgeError("IB_NOT_LEADER", "another replica leads, nothing was written");
      return write(...args);
    };
  };
  return {
    ...client,
    create: fence(client.create) as KubeClient["create"],
    update: fence(client.update) as KubeClient["update"],
    patch: fence(client.patch) as KubeClient["patch"],
    delete: fence(client.delete) as KubeClient["delete"],
  };
}

function leaseOf(name: ObjectName, before: V1Lease | undefined, holder: string, duration: number, now: Date): V1Lease {
  const time = now.toISOString().replace("Z", "000Z"); // metav1.MicroTime
  const { spec = {}, metadata = {} } = before ?? {};
  const same = spec.holderIdentity === holder;
  return {
    metadata: { ...metadata, ...name },
    spec: {
      holderIdentity: holder,
      leaseDurationSeconds: Math.max(1, Math.ceil(duration / 1000)),
      acquireTime: same ? (spec.acquireTime ?? time) : time,
      renewTime: time,
      leaseTransitions: (spec.leaseTransitions ?? 0) + (same || before === undefined ? 0 : 1),
    },
  };
}

/** @throws {IronbridgeError} IB_API_UNREACHABLE when `work` takes longer than `ms`; it may still end later. */
async function within(work: Promise<void>, ms: number, clock: Clock): Promise<void> {
  const late = Promise.withResolvers<void>();
  const cancel = clock.after(ms, () =>
    late.reject(new IronbridgeError("IB_API_UNREACHABLE", `no answer about the lease within ${ms} ms`)),
  );
  work.catch(() => {}); // told by the race, or of no interest once it is late
  try {
    await Promise.race([work, late.promise]);
  } finally {
    cancel();
  }
}
