import { IronbridgeError } from "../../core/mod.ts";
import type { JsonObject } from "./json.ts";
import type { ResourceName } from "./resource.ts";

/** One thing wrong with a field, worded as Kubernetes words it. */
export interface FieldError {
  /** For example spec.ports[0].port. */
  readonly field: string;
  readonly reason:
    | "FieldValueInvalid"
    | "FieldValueRequired"
    | "FieldValueNotSupported"
    | "FieldValueDuplicate"
    | "FieldValueForbidden"
    | "FieldValueTypeInvalid";
  /** What follows the field's name, for example "Required value". */
  readonly message: string;
}

/** A request the server refuses, with the Status object that tells the client why. */
export class Refusal extends IronbridgeError {
  /** The HTTP status. */
  readonly status: number;
  /** PascalCase, as kubectl and client libraries look for it. */
  readonly reason: string;
  readonly details: JsonObject;

  constructor(status: number, reason: string, message: string, details: JsonObject = {}) {
    super("IB_API_REFUSED", message);
    this.status = status;
    this.reason = reason;
    this.details = details;
  }

  /** The Kubernetes Status object. */
  toStatus(): JsonObject {
    return {
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Failure",
      message: this.message,
      reason: this.reason,
      details: this.details,
      code: this.status,
    };
  }
}

export function notFound(resource: ResourceName, name: string): Refusal {
  return new Refusal(404, "NotFound", `${qualified(resource)} "${name}" not found`, detailsOf(resource, name));
}

/** No such path: kubectl prints its own sentence for it. */
export function noSuchPath(): Refusal {
  return new Refusal(404, "NotFound", "the server could not find the requested resource");
}

export function alreadyExists(resource: ResourceName, name: string): Refusal {
  const message = `${qualified(resource)} "${name}" already exists`;
  return new Refusal(409, "AlreadyExists", message, detailsOf(resource, name));
}

export function conflict(resource: ResourceName, name: string, why: string): Refusal {
  const message = `Operation cannot be fulfilled on ${qualified(resource)} "${name}": ${why}`;
  return new Refusal(409, "Conflict", message, detailsOf(resource, name));
}

export function badRequest(message: string): Refusal {
  return new Refusal(400, "BadRequest", message);
}

export function forbidden(resource: ResourceName, name: string, why: string): Refusal {
  const message = `${qualified(resource)} "${name}" is forbidden: ${why}`;
  return new Refusal(403, "Forbidden", message, detailsOf(resource, name));
}

/** The resource version asked for is no longer, or not yet, known: the client lists again. */
export function expired(why: string): Refusal {
  return new Refusal(410, "Expired", why);
}

export function invalid(resource: ResourceName, name: string, errors: readonly FieldError[]): Refusal {
  const sentences = errors.map(({ field, message }) => `${field}: ${message}`);
  const what = sentences.length === 1 ? sentences[0] : `[${sentences.join(", ")}]`;
  const kind = resource.group === "" ? resource.kind : `${resource.kind}.${resource.group}`;
  return new Refusal(422, "Invalid", `${kind} "${name}" is invalid: ${what}`, {
    name,
    group: resource.group,
    kind: resource.kind,
    causes: errors.map(({ field, reason, message }) => ({ reason, message, field })),
  });
}

function qualified({ plural, group }: ResourceName): string {
  return group === "" ? plural : `${plural}.${group}`;
}

function detailsOf({ plural, group }: ResourceName, name: string): JsonObject {
  return { name, group, kind: plural };
}
