import { ANNOTATION, annotationKey, type ConditionNews, legacyAnnotationKey, withCondition } from "../config/mod.ts";
import { type KubeClient, SERVICES, type V1Service } from "../kube/mod.ts";
import { type Address, printAddress } from "../net/mod.ts";
import { ADDRESS_ASSIGNED } from "./service-condition.ts";

/** What the status and the annotation of a Service must say. */
export interface ServiceStatus {
  readonly addresses: readonly Address[];
  readonly pool: string | undefined;
  /** Undefined: the Service asks for nothing. */
  readonly condition?: ConditionNews | undefined;
}

const POOL_KEY = annotationKey(ANNOTATION.allocatedFromPool);
const LEGACY_POOL_KEY = legacyAnnotationKey(ANNOTATION.allocatedFromPool);

/**
 * The merge patch of services/status that makes `service` say `wanted`; undefined when it does already. It carries the
 * resourceVersion the decision was made on, so that a Service changed meanwhile is decided on anew.
 */
export function statusPatch(service: V1Service, wanted: ServiceStatus, now: () => Date): object | undefined {
  const { annotations = {}, resourceVersion } = service.metadata ?? {};
  const { conditions: shown = [], loadBalancer } = service.status ?? {};
  const conditions = withCondition(shown, ADDRESS_ASSIGNED, wanted.condition, now);
  const ips = wanted.addresses.map(printAddress);
  const current = (loadBalancer?.ingress ?? []).map(({ ip }) => ip);
  const sameIps = ips.length === current.length && ips.every((ip, i) => ip === current[i]);
  const samePool = annotations[POOL_KEY] === wanted.pool && !(LEGACY_POOL_KEY in annotations);
  if (sameIps && samePool && conditions === shown) return undefined;
  return {
    metadata: {
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
      annotations: {
        [POOL_KEY]: wanted.pool ?? null,
        ...(LEGACY_POOL_KEY in annotations ? { [LEGACY_POOL_KEY]: null } : {}),
      },
    },
    status: {
      loadBalancer: { ingress: ips.length === 0 ? null : ips.map((ip) => ({ ip })) },
      ...(conditions === shown ? {} : { conditions: conditions.length === 0 ? null : conditions }),
    },
  };
}

/** Status and annotation in one write: a reader never sees an address without the pool it came from. */
export async function writeStatus(client: KubeClient, service: V1Service, body: object): Promise<void> {
  const { namespace = "", name = "" } = service.metadata ?? {};
  await client.patch(SERVICES, { namespace, name }, { kind: "merge", body }, "status");
}
