import type { ApiObject } from "./json.ts";
import type { FieldError } from "./refusal.ts";
import type { Schema } from "./schema.ts";
import type { Column } from "./table.ts";

export interface ResourceName {
  /** "" for the core group. */
  readonly group: string;
  readonly plural: string;
  readonly kind: string;
}

export type Subresource = "status" | "scale" | "log" | "binding";

/** What the server does for one kind beyond storing it. */
export interface Strategy {
  /** Fills the fields a client may leave out. `before` is undefined on create. */
  readonly defaults?: (object: ApiObject, before: ApiObject | undefined) => ApiObject;
  /** What is wrong with the object; empty when nothing is. */
  readonly validate?: (object: ApiObject, before: ApiObject | undefined) => readonly FieldError[];
  /** Paths of fields the kind does not have, which a strict request may not send. */
  readonly unknownFields?: (object: ApiObject) => readonly string[];
  /** The names objects of this kind may have; subdomain when not given (RFC 1123), label is RFC 1035. */
  readonly nameForm?: "subdomain" | "label" | "any";
  /** Keep the status a client sends on create. */
  readonly statusOnCreate?: "kept";
}

/** One kind in one version, as the API serves it. */
export interface ApiResource extends ResourceName {
  readonly version: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly namespaced: boolean;
  readonly subresources: readonly Subresource[];
  /** The collection that holds the objects: the same for every version of a kind. */
  readonly storage: string;
  readonly strategy: Strategy;
  /** What `kubectl get` shows. */
  readonly columns: readonly Column[];
  /** Paths usable in field selectors besides metadata.name and metadata.namespace. */
  readonly selectableFields: readonly string[];
  /** Set for custom resources; a kind without it takes strategic merge patches. */
  readonly schema?: Schema;
  /** From the stored form to this version's form, when they differ. */
  readonly decode?: (stored: ApiObject) => ApiObject;
  /** From this version's form to the stored form. */
  readonly encode?: (served: ApiObject) => ApiObject;
}

export function apiVersionOf({ group, version }: { readonly group: string; readonly version: string }): string {
  return group === "" ? version : `${group}/${version}`;
}

/** "plural" or "plural.group": the name of the collection of a kind. */
export function storageName({ group, plural }: Pick<ResourceName, "group" | "plural">): string {
  return group === "" ? plural : `${plural}.${group}`;
}
