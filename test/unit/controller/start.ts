import {
  BFD_PROFILES,
  BGP_ADVERTISEMENTS,
  BGP_PEERS,
  COMMUNITIES,
  CONFIGURATION_STATES,
  IP_ADDRESS_POOLS,
  L2_ADVERTISEMENTS,
} from "../../../config/mod.ts";
import { type Controller, type ControllerDeps, startController } from "../../../controller/mod.ts";
import { createMetrics, type Metrics, silentLog } from "../../../core/mod.ts";
import {
  fakeReporter,
  type KubeClient,
  type Leadership,
  NAMESPACES,
  NODES,
  SERVICES,
  startElection,
  startInformer,
} from "../../../kube/mod.ts";

export interface Running {
  readonly controller: Controller;
  readonly reporter: ReturnType<typeof fakeReporter>;
  readonly metrics: Metrics;
  readonly stop: AbortController;
  /** Ends it in the middle of whatever it does: nothing is finished, nothing given back. */
  crash(): void;
  readonly leadership: Leadership | undefined;
}

export interface StartOptions
  extends Partial<Pick<ControllerDeps, "lbClass" | "memory" | "podCidrs" | "usageThresholds">> {
  /** Take part in an election under this name. */
  readonly identity?: string;
  /** Milliseconds; LEASE_DURATION unless given. */
  readonly leaseDuration?: number;
}

export const LEASE_DURATION = 400;

/** The controller over informers over `client`, as cli/controller.ts starts it. */
export function startOver(server: KubeClient, options: StartOptions = {}): Running {
  const { identity, leaseDuration: duration = LEASE_DURATION, ...settings } = options;
  const stop = new AbortController();
  let dead = false;
  const client = mortal(server, () => dead);
  const { signal } = stop;
  const log = silentLog();
  const reporter = fakeReporter();
  const metrics = createMetrics();
  const lease = { lease: { namespace: "ib", name: "controller" }, duration, log };
  const leadership = identity === undefined ? undefined : startElection(client, { ...lease, identity }, signal);
  const controller = startController(
    {
      client,
      services: startInformer(client, SERVICES, { log }, signal),
      namespaces: startInformer(client, NAMESPACES, { log }, signal),
      nodes: startInformer(client, NODES, { log }, signal),
      pools: startInformer(client, IP_ADDRESS_POOLS, { log }, signal),
      l2Advertisements: startInformer(client, L2_ADVERTISEMENTS, { log }, signal),
      bgpAdvertisements: startInformer(client, BGP_ADVERTISEMENTS, { log }, signal),
      bgpPeers: startInformer(client, BGP_PEERS, { log }, signal),
      bfdProfiles: startInformer(client, BFD_PROFILES, { log }, signal),
      communities: startInformer(client, COMMUNITIES, { log }, signal),
      states: { namespace: "ib", store: startInformer(client, CONFIGURATION_STATES, { log }, signal) },
      reporter,
      log,
      metrics,
      ...settings,
      ...(leadership === undefined ? {} : { leadership }),
    },
    signal,
  );
  const crash = () => {
    dead = true;
    stop.abort();
  };
  return { controller, reporter, metrics, stop, crash, leadership };
}

/** `client` as a process has it: once that is dead, no call reaches the server any more. */
function mortal(client: KubeClient, isDead: () => boolean): KubeClient {
  return new Proxy(client, {
    get: (target, name) => (isDead() ? () => new Promise<never>(() => {}) : Reflect.get(target, name)),
  });
}
