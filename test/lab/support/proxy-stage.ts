import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { objectKey, type V1EndpointSlice, type V1Service } from "../../../kube/mod.ts";
import type { ProxyOptions } from "../../../proxy/mod.ts";
import {
  ADDRESSES,
  type AskOptions,
  createProxyLab,
  type Home,
  type HostName,
  type PodEndpoints,
  type ProxyLab,
  podSlice,
  type RunningProxy,
} from "./proxy-lab.ts";

export const FAMILIES = ["ipv4", "ipv6"] as const;
export type Family = (typeof FAMILIES)[number];
export type ByFamily<T> = Readonly<Record<Family, T>>;

/** The addresses of Service "web", see webService(). */
export const CLUSTER_IP: ByFamily<string> = { ipv4: "10.96.0.10", ipv6: "fd00:96::10" };
export const VIP: ByFamily<string> = { ipv4: "192.168.1.100", ipv6: "fd00:1::100" };
export const EXTERNAL_IP: ByFamily<string> = { ipv4: "192.168.1.120", ipv6: "fd00:1::120" };
const FRONTS = { "cluster IP": CLUSTER_IP, "load balancer": VIP, "external IP": EXTERNAL_IP, "node port": undefined };
const PORTS = { tcp: 80, udp: 53 };
const NODE_PORTS = { tcp: 30080, udp: 30053 };
/** What an endpoint sees of somebody whom the node has masqueraded. */
const GATEWAY: ByFamily<string> = { ipv4: "10.244.1.1", ipv6: "fd00:244:1::1" };

/** A way to Service "web", or an address. */
export type Where = keyof typeof FRONTS | ByFamily<string>;
export interface Ask extends AskOptions {
  /** Absent: the port of Service "web" there: 80 or 30080; over UDP 53 or 30053. */
  readonly port?: number;
  /** Absent: both. */
  readonly families?: readonly Family[];
}

/** Connections made at once. */
const AT_ONCE = 12;
/** An endpoint of three that is not met in so many rounds is not used: chance 1 of 10 billion. */
const ROUNDS = 5;
/** Milliseconds; answers take less than one. */
const SILENCE = 300;

/** A lab, and the proxy that runs in it. Every question is asked over IPv4 and IPv6 at once. */
export class Stage {
  #lab: ProxyLab | undefined;
  #running: RunningProxy | undefined;

  get lab(): ProxyLab {
    if (this.#lab === undefined) throw new Error("the lab is not there yet");
    return this.#lab;
  }

  get running(): RunningProxy {
    if (this.#running === undefined) throw new Error("no proxy runs yet");
    return this.#running;
  }

  async build(): Promise<void> {
    this.#lab = await createProxyLab();
    // Refusals over UDP are ICMP errors, which the kernel sends once a second else.
    await this.lab.run("sysctl", "-qw", "net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0");
  }

  async start(home: Home, choices: Partial<ProxyOptions> = {}): Promise<void> {
    await this.stop();
    this.#running = await this.lab.start(home, choices);
  }

  async stop(): Promise<void> {
    await this.#running?.stop();
    this.#running = undefined;
  }

  /** The cluster has Service "web" with these endpoints. */
  async given(service: V1Service, endpoints: PodEndpoints): Promise<void> {
    await this.put(service, ...FAMILIES.map((family) => podSlice(family, endpoints)));
  }

  async put(service: V1Service, ...slices: readonly V1EndpointSlice[]): Promise<void> {
    this.lab.stores.services.set(service);
    for (const slice of slices) this.lab.stores.slices.set(slice);
    await this.running.settled();
  }

  async endpoints(endpoints: PodEndpoints): Promise<void> {
    for (const family of FAMILIES) this.lab.stores.slices.set(podSlice(family, endpoints));
    await this.running.settled();
  }

  /** No Service is left. */
  async clear(): Promise<void> {
    const { services, slices } = this.lab.stores;
    for (const service of services.list()) services.remove(objectKey(service));
    for (const slice of slices.list()) slices.remove(objectKey(slice));
    await this.running.settled();
  }

  /**
   * Connections lead to each of `wanted` and to nobody else.
   * @param as Whom endpoints see; absent: they may see anybody.
   */
  async meets(from: HostName, where: Where, wanted: readonly string[], ask: Ask & { as?: HostName | "gateway" } = {}) {
    const { as, ...rest } = ask;
    const seenBy = (family: Family) => (as === "gateway" ? GATEWAY : as && ADDRESSES[as])?.[family];
    await this.#each(from, where, rest, async (family, askOnce) => {
      const want = new Set(wanted.map((pod) => [pod, seenBy(family)].filter(Boolean).join(" ")));
      const seen = new Set<string>();
      for (let i = 0; i < ROUNDS && [...want].some((answer) => !seen.has(answer)); i++) {
        const answers = await Promise.all(Array.from({ length: AT_ONCE }, askOnce));
        for (const answer of answers) seen.add(as === undefined ? (answer.split(" ")[0] ?? "") : answer);
      }
      return [[...seen].sort(), [...want].sort()];
    });
  }

  /** Everybody who answers `count` connections, in both families. */
  async answerers(from: HostName, where: Where, ask: Ask = {}, count = AT_ONCE): Promise<ByFamily<readonly string[]>> {
    const found = { ipv4: [] as string[], ipv6: [] as string[] };
    await this.#each(from, where, ask, async (family, askOnce) => {
      const answers = await Promise.all(Array.from({ length: count }, askOnce));
      found[family] = [...new Set(answers.map((answer) => answer.split(" ")[0] ?? ""))].sort();
      return [[], []];
    });
    return found;
  }

  async isRefused(from: HostName, where: Where, ask: Ask = {}): Promise<void> {
    await this.#each(from, where, ask, async (_, askOnce) => [await askOnce(), "refused"]);
  }

  async isSilent(from: HostName, where: Where, ask: Ask = {}): Promise<void> {
    await this.#each(from, where, { timeout: SILENCE, ...ask }, async (_, askOnce) => [await askOnce(), "silent"]);
    await this.#forget();
  }

  /** No pod answers; what else happens is up to what else is on the network. */
  async isGone(from: HostName, where: Where, ask: Ask = {}): Promise<void> {
    await this.#each(from, where, { timeout: SILENCE, ...ask }, async (_, askOnce) => [
      (await askOnce()).startsWith("pod"),
      false,
    ]);
    await this.#forget();
  }

  /** The kernel remembers for minutes how it led a connection that nobody answered, and leads another from that port so. */
  async #forget(): Promise<void> {
    await this.lab.run("conntrack", "-F");
  }

  async #each(
    from: HostName,
    where: Where,
    { port, families = FAMILIES, ...ask }: Ask,
    look: (family: Family, askOnce: () => Promise<string>) => Promise<[got: unknown, want: unknown]>,
  ): Promise<void> {
    const isNodePort = where === "node port";
    const number = port ?? (isNodePort ? NODE_PORTS : PORTS)[ask.protocol ?? "tcp"];
    const hosts = typeof where === "string" ? (FRONTS[where] ?? ADDRESSES.node) : where;
    await Promise.all(
      families.map(async (family) => {
        const askOnce = () => this.lab.hosts[from].ask(hosts[family], number, ask);
        const [got, want] = await look(family, askOnce);
        const way = `${from} to ${typeof where === "string" ? where : ""} ${hosts[family]} port ${number}`;
        expect({ way, got }).toEqual({ way, got: want });
      }),
    );
  }
}

/** One lab for a file of tests. */
export function useStage(): Stage {
  const stage = new Stage();
  beforeAll(() => stage.build());
  afterAll(async () => {
    await stage.stop();
    await stage.lab.remove();
  });
  return stage;
}

/** One proxy for a group of tests; each begins without Services. */
export function useProxy(stage: Stage, home: Home, choices: Partial<ProxyOptions> = {}): void {
  beforeAll(() => stage.start(home, choices));
  afterEach(() => stage.clear());
  afterAll(() => stage.stop());
}
