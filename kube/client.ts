import type { KubeObject, Resource } from "./object.ts";

export interface Selectors {
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

export interface ObjectName {
  readonly name: string;
  readonly namespace?: string;
}

/** How a patch is meant: RFC 7386, RFC 6902, or server-side apply. */
export type Patch =
  | { readonly kind: "merge"; readonly body: object }
  | { readonly kind: "json"; readonly body: readonly object[] }
  | { readonly kind: "apply"; readonly body: object; readonly fieldManager: string; readonly force: boolean };

export type WatchEvent<T> =
  | { readonly type: "ADDED" | "MODIFIED" | "DELETED"; readonly object: T }
  | { readonly type: "BOOKMARK"; readonly resourceVersion: string };

/**
 * The API server, as little of it as Ironbridge needs.
 * Every call throws IronbridgeError: IB_API_UNREACHABLE when no answer came, IB_API_REFUSED (with `status`) otherwise.
 */
export interface KubeClient {
  /** Undefined when there is no such object. */
  get<T extends KubeObject>(resource: Resource<T>, name: ObjectName): Promise<T | undefined>;
  list<T extends KubeObject>(
    resource: Resource<T>,
    selectors?: Selectors,
  ): Promise<{ readonly items: readonly T[]; readonly resourceVersion: string }>;
  create<T extends KubeObject>(resource: Resource<T>, object: T): Promise<T>;
  /** Replaces the object, or only its status. Refused with 409 when resourceVersion is set and old. */
  update<T extends KubeObject>(resource: Resource<T>, object: T, subresource?: "status"): Promise<T>;
  patch<T extends KubeObject>(
    resource: Resource<T>,
    name: ObjectName,
    patch: Patch,
    subresource?: "status",
  ): Promise<T>;
  /** No error when it is gone already. */
  delete<T extends KubeObject>(resource: Resource<T>, name: ObjectName): Promise<void>;
  /** Resolves when the server ends the watch in order; throws IB_API_REFUSED with status 410 when the version is too old. */
  watch<T extends KubeObject>(
    resource: Resource<T>,
    options: Selectors & { readonly resourceVersion: string; readonly signal: AbortSignal },
    onEvent: (event: WatchEvent<T>) => void,
  ): Promise<void>;
}

/**
 * Credentials from `kubeconfig` (a path), else $KUBECONFIG, else the service account of the pod.
 * @throws {IronbridgeError} IB_OPTION_INVALID when there is none or it can't be read.
 */
export declare function createKubeClient(options: {
  readonly kubeconfig?: string;
  readonly userAgent: string;
}): KubeClient;

/** The HTTP status of a refusal, or undefined for any other error. */
export declare function refusalStatus(error: unknown): number | undefined;
