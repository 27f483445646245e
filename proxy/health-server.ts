import { createServer, type Server } from "node:http";
import { explainError, type Log } from "../core/mod.ts";
import { type HealthCheck, healthCheckPage, type Page } from "./health-check.ts";
import { hasFamily, type Kernel } from "./kernel.ts";

export interface HealthServersOptions {
  readonly kernel: Kernel;
  readonly log: Log;
  /** The rules of this node are as the cluster says, or were very lately. */
  readonly healthy: () => boolean;
  /** What this node says of itself on a port of its own; absent: nothing. */
  readonly node?: { readonly port: number; readonly page: (path: string) => Page | undefined };
}

interface Listening {
  readonly check: HealthCheck;
  /** None when the port could not be listened on. */
  readonly servers: readonly Server[];
}

/** Answers on the health check node ports of Services. */
export class HealthServers {
  readonly #options: HealthServersOptions;
  readonly #services = new Map<string, Listening>();
  #nodeServers: readonly Server[] = [];

  constructor(options: HealthServersOptions) {
    this.#options = options;
  }

  /** From now on the Service `key` has this health check, or none. */
  replace(key: string, check: HealthCheck | undefined): void {
    const known = this.#services.get(key);
    if (known !== undefined && known.check.port !== check?.port) this.#close(key);
    if (check === undefined) return;
    const servers = known?.check.port === check.port ? known.servers : [];
    this.#services.set(key, { check, servers: servers.length > 0 ? servers : this.#listen(key, check) });
  }

  /** Tries again the ports that could not be listened on. */
  retry(): void {
    const { node } = this.#options;
    if (node !== undefined && this.#nodeServers.length === 0) {
      this.#nodeServers = this.#tryListen("this node", node.port, node.page);
    }
    for (const [key, { check, servers }] of this.#services) {
      if (servers.length === 0) this.replace(key, check);
    }
  }

  close(): void {
    for (const key of [...this.#services.keys()]) this.#close(key);
    closeServers(this.#nodeServers);
  }

  #listen(key: string, { port }: HealthCheck): Server[] {
    return this.#tryListen(key, port, () => healthCheckPage(this.#services.get(key)!.check, this.#options.healthy()));
  }

  #tryListen(subject: string, port: number, page: (path: string) => Page | undefined): Server[] {
    try {
      return serveEverywhere(this.#options.kernel, port, page);
    } catch (error) {
      const details = { event: "proxy.health.failed", subject, port, error: explainError(error) };
      this.#options.log.warn(details, "could not listen for health checks, trying again");
      return [];
    }
  }

  #close(key: string): void {
    closeServers(this.#services.get(key)?.servers ?? []);
    this.#services.delete(key);
  }
}

/** Serves a page for every path on every address of this node. @throws {IronbridgeError} IB_KERNEL_REFUSED */
function serveEverywhere(kernel: Kernel, port: number, page: (path: string) => Page | undefined): Server[] {
  const hosts = hasFamily(kernel, "ipv6") ? ["0.0.0.0", "::"] : ["0.0.0.0"];
  const servers: Server[] = [];
  try {
    for (const host of hosts) servers.push(serve(kernel.listen(host, port), page));
  } catch (error) {
    closeServers(servers);
    throw error;
  }
  return servers;
}

function closeServers(servers: readonly Server[]): void {
  for (const server of servers) {
    server.close();
    server.closeAllConnections();
  }
}

function serve(fd: number, page: (path: string) => Page | undefined): Server {
  const server = createServer((request, response) => {
    const { status, headers, body } = page(request.url ?? "/") ?? { status: 404, headers: {}, body: "not found" };
    const type = { "content-type": "application/json", "x-content-type-options": "nosniff" };
    response.writeHead(status, { ...type, ...headers });
    response.end(body);
  });
  return server.listen({ fd });
}
