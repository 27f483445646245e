import type { Family } from "../net/mod.ts";
import type { ServicePort } from "./service-port.ts";

/** Who is kept out: clients on the cluster IP, or those from the outside. */
export const SIDES = ["internal", "external"] as const;
export type Side = (typeof SIDES)[number];

/** Counts the Service ports whose traffic policy is Local and whose endpoints are all on other nodes. */
export class NoLocalEndpoints {
  readonly #found = new Map<string, readonly { readonly family: Family; readonly side: Side }[]>();

  /** From now on the Service `key` has `ports`. */
  replace(key: string, ports: readonly ServicePort[]): void {
    const found = ports
      .filter(({ cluster, local }) => cluster.length > 0 && local.length === 0)
      .flatMap(({ family, internalPolicy, externalPolicy }) => [
        ...(internalPolicy === "local" ? [{ family, side: "internal" as const }] : []),
        ...(externalPolicy === "local" ? [{ family, side: "external" as const }] : []),
      ]);
    if (found.length === 0) this.#found.delete(key);
    else this.#found.set(key, found);
  }

  count(family: Family, side: Side): number {
    return [...this.#found.values()].flat().filter((each) => each.family === family && each.side === side).length;
  }
}
