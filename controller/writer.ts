import { legacyAnnotations } from "../config/mod.ts";
import type { Log } from "../core/mod.ts";
import { type KubeClient, type Reporter, refusalStatus, SERVICES } from "../kube/mod.ts";
import { printAddresses } from "./allocator.ts";
import type { Plan } from "./planner.ts";
import { statusPatch, writeStatus } from "./service-status.ts";

/** Writes under way at the same time: fills the network's latency without flooding the API server. */
const WRITERS = 16;
/** Refusals that concern one object only; any other failure says that the server is in trouble, and it gets a pause. */
const OF_ONE_OBJECT: ReadonlySet<number | undefined> = new Set([400, 403, 404, 409, 422]);

export interface WriterDeps {
  readonly client: KubeClient;
  readonly reporter: Reporter;
  readonly log: Log;
  /** Gets every plan that could not be written. */
  readonly putBack: (plan: Plan) => void;
}

/**
 * Writes plans to the API and tells what they did. Addresses that are given up or changed are written before new ones
 * are given, so that no reader sees one address twice.
 * @returns Throws the first failure, conflicts last, after every plan was written or put back.
 */
export function planWriter(deps: WriterDeps): (plans: readonly Plan[]) => Promise<void> {
  return async (plans) => {
    const failures: unknown[] = [];
    await forEachOf(plans.filter(hasAddress), (plan) => write(deps, plan, failures));
    await forEachOf(
      plans.filter((plan) => !hasAddress(plan)),
      (plan) => write(deps, plan, failures),
    );
    if (failures.length > 0) throw failures.find((failure) => refusalStatus(failure) !== 409) ?? failures[0];
  };
}

async function write(deps: WriterDeps, plan: Plan, failures: unknown[]): Promise<void> {
  const body = plan.status && statusPatch(plan.service, plan.status);
  if (body !== undefined) {
    if (failures.some((failure) => !OF_ONE_OBJECT.has(refusalStatus(failure)))) return deps.putBack(plan);
    try {
      await writeStatus(deps.client, plan.service, body);
    } catch (error) {
      if (refusalStatus(error) === 404) return; // deleted meanwhile; its watch event will free the address
      failures.push(error);
      return deps.putBack(plan);
    }
    tellWritten(deps, plan);
  }
  tellNotes(deps, plan);
}

function tellWritten({ reporter, log }: WriterDeps, { key, service, status, reasons }: Plan): void {
  for (const name of legacyAnnotations(service)) {
    const message = `annotation ${name} is deprecated, write ${name.replace(".universe.tf/", ".io/")}`;
    reporter.event(SERVICES, service, { type: "Warning", reason: "deprecatedAnnotation", message });
  }
  const addresses = printAddresses(status?.addresses ?? []);
  const why = reasons.map(({ step, text }) => `${step}: ${text}`);
  log.info({ event: "address.written", service: key, addresses, pool: status?.pool, why }, "service status written");
}

function tellNotes({ reporter, log }: WriterDeps, { key, service, notes }: Plan): void {
  for (const note of notes) {
    reporter.event(SERVICES, service, note);
    if (note.type === "Warning") {
      const { reason, message } = note;
      log.warn({ event: "address.refused", service: key, reason, message }, "service does not get what it asks for");
    }
  }
}

function hasAddress({ service }: Plan): boolean {
  return (service.status?.loadBalancer?.ingress ?? []).length > 0;
}

/** Runs `work` for every item, WRITERS at a time. */
async function forEachOf<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const rest = items.values();
  const worker = async () => {
    for (const item of rest) await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(WRITERS, items.length) }, worker));
}
