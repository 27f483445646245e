import { legacyAnnotations } from "../config/mod.ts";
import type { Log } from "../core/mod.ts";
import { type KubeClient, type Reporter, refusalStatus, SERVICES, type V1Service } from "../kube/mod.ts";
import { printAddress } from "../net/mod.ts";
import { printAddresses } from "./allocator.ts";
import type { Plan } from "./planner.ts";
import { currentAddresses } from "./requests.ts";
import { statusPatch, writeStatus } from "./service-status.ts";

/** Writes under way at the same time: fills the network's latency without flooding the API server. */
const WRITERS = 16;
/** Refusals that concern one object only; any other failure says that the server is in trouble, and it gets a pause. */
const OF_ONE_OBJECT: ReadonlySet<number | undefined> = new Set([400, 403, 404, 409, 422]);

export interface WriterDeps {
  readonly client: KubeClient;
  readonly reporter: Reporter;
  readonly log: Log;
  /** Wall clock, for the times in conditions. */
  readonly now: () => Date;
  /** Called after each write of addresses that the Service did not show before. */
  readonly onGiven: (service: V1Service) => void;
  /** Gets every plan that could not be written. */
  readonly putBack: (plan: Plan) => void;
}

/**
 * Writes plans to the API and tells what they did. An address that goes from one Service to another is written to the
 * second only after the first has lost it, so that no reader sees it twice.
 * @returns Throws the first failure, conflicts last, after every plan was written or put back.
 */
export function planWriter(deps: WriterDeps): (plans: readonly Plan[]) => Promise<void> {
  return async (plans) => {
    const failed: Failure[] = [];
    const { now, later } = inOrder(plans);
    await forEachOf(now, (plan) => write(deps, plan, failed));
    const stuck = new Set(failed.flatMap(({ plan }) => lostBy(plan)));
    await forEachOf(later, async (plan) => {
      if (gainedBy(plan).some((ip) => stuck.has(ip))) deps.putBack(plan);
      else await write(deps, plan, failed);
    });
    const errors = failed.map(({ error }) => error);
    if (errors.length > 0) throw errors.find((error) => refusalStatus(error) !== 409) ?? errors[0];
  };
}

/** Plans that take what another one gives up come later. */
export function inOrder(plans: readonly Plan[]): { readonly now: readonly Plan[]; readonly later: readonly Plan[] } {
  const leaving = new Set(plans.flatMap(lostBy));
  const { now = [], later = [] } = Object.groupBy(plans, (plan) =>
    gainedBy(plan).some((ip) => leaving.has(ip)) ? "later" : "now",
  );
  return { now, later };
}

interface Failure {
  readonly plan: Plan;
  readonly error: unknown;
}

async function write(deps: WriterDeps, plan: Plan, failed: Failure[]): Promise<void> {
  const body = plan.status && statusPatch(plan.service, plan.status, deps.now);
  if (body !== undefined) {
    const trouble = failed.find(({ error }) => !OF_ONE_OBJECT.has(refusalStatus(error)));
    try {
      if (trouble !== undefined) throw trouble.error;
      await writeStatus(deps.client, plan.service, body);
    } catch (error) {
      if (refusalStatus(error) === 404) return; // deleted meanwhile; its watch event will free the address
      failed.push({ plan, error });
      deps.putBack(plan);
      return;
    }
    if (gainedBy(plan).length > 0) deps.onGiven(plan.service);
    tellWritten(deps, plan);
  }
  tellNotes(deps, plan);
}

/** Addresses that the Service shows and will no longer show. */
function lostBy({ service, status }: Plan): readonly string[] {
  if (status === undefined) return [];
  const wanted = status.addresses.map(printAddress);
  return shownBy(service).filter((ip) => !wanted.includes(ip));
}

/** Addresses that the Service does not show yet. */
function gainedBy({ service, status }: Plan): readonly string[] {
  const shown = shownBy(service);
  return (status?.addresses ?? []).map(printAddress).filter((ip) => !shown.includes(ip));
}

function shownBy(service: V1Service): readonly string[] {
  return currentAddresses(service).map(printAddress);
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

/** Runs `work` for every item, WRITERS at a time. */
async function forEachOf<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const rest = items.values();
  const worker = async () => {
    for (const item of rest) await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(WRITERS, items.length) }, worker));
}
