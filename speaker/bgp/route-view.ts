import type { V1EndpointSlice, V1Node, V1Service } from "../../kube/mod.ts";
import { type BgpConfig, mergeRoutes, type ServiceRoutes, serviceRoutesOf } from "./decide.ts";
import type { OfferedRoute } from "./route.ts";

/** What the view reads. */
export interface RouteSources {
  readonly service: (key: string) => V1Service | undefined;
  readonly slicesOf: (service: string) => readonly V1EndpointSlice[];
}

/** What changed in the routes of this node. */
export interface RouteChange {
  readonly set: readonly OfferedRoute[];
  readonly remove: readonly string[];
}

/** The routes this node announces: those of all Services together, worked out anew only for what changed. */
export class RouteView {
  readonly #sources: RouteSources;
  /** By Service: all that have an address to announce, or why they are not announced. */
  readonly #services = new Map<string, ServiceRoutes>();
  /** The Services that offer a prefix, and their offers. */
  readonly #contributions = new Map<string, Map<string, OfferedRoute>>();
  /** The prefixes each Service has contributed to. */
  readonly #keysOf = new Map<string, readonly string[]>();
  readonly #routes = new Map<string, OfferedRoute>();

  constructor(sources: RouteSources) {
    this.#sources = sources;
  }

  get services(): ReadonlyMap<string, ServiceRoutes> {
    return this.#services;
  }

  /** True when the Service is to be announced once its rules are there. */
  offers(service: string): boolean {
    const found = this.#services.get(service);
    return found !== undefined && "routes" in found;
  }

  /** By printed prefix. */
  get routes(): ReadonlyMap<string, OfferedRoute> {
    return this.#routes;
  }

  /** The Services that offer the prefix `key`, and what each of them offers. */
  contributions(key: string): ReadonlyMap<string, OfferedRoute> {
    return this.#contributions.get(key) ?? new Map();
  }

  /** Works out what these Services announce. Call settle() afterwards. */
  refresh(keys: Iterable<string>, config: BgpConfig, node: V1Node | undefined): void {
    for (const key of keys) {
      const service = this.#sources.service(key);
      const found = service && node && serviceRoutesOf(service, this.#sources.slicesOf(key), config, node);
      if (found === undefined) this.#services.delete(key);
      else this.#services.set(key, found);
    }
  }

  /**
   * Makes the routes of Services whose rules are there, and says what changed.
   * @param services Those that were worked out anew, or of which `isReady` says something else, since the last time.
   */
  settle(services: Iterable<string>, isReady: (service: string) => boolean): RouteChange {
    const prefixes = new Set<string>();
    for (const key of services) {
      const found = this.#services.get(key);
      const routes = found !== undefined && "routes" in found && isReady(key) ? found.routes : [];
      this.#contribute(key, routes, prefixes);
    }
    return this.#merge(prefixes);
  }

  /** Makes `routes` all that `owner`, which is no Service, announces, and says what changed. */
  put(owner: string, routes: readonly OfferedRoute[]): RouteChange {
    const prefixes = new Set<string>();
    this.#contribute(owner, routes, prefixes);
    return this.#merge(prefixes);
  }

  #contribute(service: string, routes: readonly OfferedRoute[], prefixes: Set<string>): void {
    const now = new Map(routes.map((route) => [route.key, route]));
    for (const [key, contributions] of this.#touching(service)) {
      if (now.has(key)) continue;
      contributions.delete(service);
      prefixes.add(key);
    }
    for (const [key, route] of now) {
      const contributions = this.#contributions.get(key) ?? new Map<string, OfferedRoute>();
      contributions.set(service, route);
      this.#contributions.set(key, contributions);
      prefixes.add(key);
    }
    this.#keysOf.set(service, [...now.keys()]);
    if (now.size === 0) this.#keysOf.delete(service);
  }

  *#touching(service: string): Iterable<[string, Map<string, OfferedRoute>]> {
    for (const key of this.#keysOf.get(service) ?? []) {
      const contributions = this.#contributions.get(key);
      if (contributions !== undefined) yield [key, contributions];
    }
  }

  #merge(prefixes: ReadonlySet<string>): RouteChange {
    const set: OfferedRoute[] = [];
    const remove: string[] = [];
    for (const key of prefixes) {
      const contributions = this.#contributions.get(key);
      const byName = [...(contributions ?? [])].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, route]) => route);
      const [merged] = mergeRoutes(byName);
      const before = this.#routes.get(key);
      if (merged === undefined) {
        this.#contributions.delete(key);
        this.#routes.delete(key);
        if (before !== undefined) remove.push(key);
      } else if (before === undefined || JSON.stringify(before.offers) !== JSON.stringify(merged.offers)) {
        this.#routes.set(key, merged);
        set.push(merged);
      }
    }
    return { set, remove };
  }
}
