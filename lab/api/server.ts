import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { type Clock, type Log, systemClock } from "../../core/mod.ts";
import type { KubeClient } from "../../kube/mod.ts";
import { Api } from "./api.ts";
import { builtinResources } from "./builtin.ts";
import { clientOf } from "./client.ts";
import { startCollector } from "./collector.ts";
import { type Advertised, createDefaults } from "./defaults.ts";
import { Faults } from "./faults.ts";
import { requestHandler } from "./http.ts";
import type { LogSource } from "./log-handler.ts";
import { Registry } from "./registry.ts";
import { ServiceRanges } from "./service-ranges.ts";
import { loadSnapshot, startSnapshots } from "./snapshot.ts";
import { ApiStore } from "./store.ts";

/** An address to listen on, or a socket that is bound already, for example in another network namespace. */
export type Listen = { readonly host: string; readonly port: number } | { readonly fd: number };

export interface ApiServerOptions {
  /** At least one; port 0 takes a free one. */
  readonly listen: readonly [Listen, ...Listen[]];
  /** Parsed CustomResourceDefinition manifests. */
  readonly crds: readonly object[];
  /** One prefix for each family; the first is the default family. */
  readonly serviceCidrs?: readonly string[];
  /** What the Service `kubernetes` leads to; the first listening address when not given. */
  readonly advertised?: Advertised;
  /** Where the objects survive a restart; without it they live as long as the server. */
  readonly snapshotFile?: string;
  readonly logs?: LogSource;
  readonly log: Log;
  readonly clock?: Clock;
}

/** A Kubernetes API server in memory, over plain HTTP and without authentication: for the lab and for tests. */
export interface ApiServer {
  readonly api: Api;
  readonly store: ApiStore;
  readonly faults: Faults;
  /** Of the first address listened on. */
  readonly url: string;
  /** Ends every open watch, as a server that restarts does. */
  cutWatches(): void;
  close(): Promise<void>;
}

const SERVICE_CIDRS = ["10.96.0.0/16", "fd00:10:96::/112"];

/** Starts the API server. Rejects when it can't listen on one of the addresses. */
export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const { log, clock = systemClock, serviceCidrs = SERVICE_CIDRS, snapshotFile } = options;
  const ending = new AbortController();
  const store = new ApiStore();
  const ranges = new ServiceRanges(store, serviceCidrs);
  const api = new Api(store, new Registry(builtinResources(ranges), store), clock);
  if (snapshotFile !== undefined) loadSnapshot(store, snapshotFile);

  const faults = new Faults();
  const watches = new Set<() => void>();
  const { logs } = options;
  const handler = requestHandler({ api, clock, log, faults, watches, ...(logs !== undefined && { logs }) });
  const servers = options.listen.map(() => createServer({ keepAliveTimeout: 60_000, requestTimeout: 0 }, handler));
  await Promise.all(servers.map((server, i) => listen(server, options.listen[i]!)));

  const address = addressOf(servers[0]!);
  createDefaults(api, options.crds, serviceCidrs, options.advertised ?? address);
  const collector = startCollector(api, log, ending.signal);
  const snapshots = snapshotFile === undefined ? undefined : startSnapshots(store, snapshotFile, log, ending.signal);
  const cutWatches = () => {
    for (const end of watches) end();
  };
  log.info({ event: "api.listening", ...address }, "the API server listens");

  return {
    api,
    store,
    faults,
    url: `http://${address.host.includes(":") ? `[${address.host}]` : address.host}:${address.port}`,
    cutWatches,
    close: async () => {
      ending.abort();
      cutWatches();
      await Promise.all(servers.map(close));
      await Promise.all([collector.done, snapshots?.done]);
    },
  };
}

/** A client of the server without the network between. */
export function kubeClientOf(server: ApiServer): KubeClient {
  return clientOf(server.api);
}

async function listen(server: Server, where: Listen): Promise<void> {
  server.listen(where);
  await once(server, "listening");
}

function addressOf(server: Server): Advertised {
  const { address, port } = server.address() as AddressInfo;
  return { host: address, port };
}

async function close(server: Server): Promise<void> {
  const closed = once(server, "close");
  server.close();
  server.closeAllConnections();
  await closed;
}
