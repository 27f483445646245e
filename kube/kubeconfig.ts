import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import {
  type Cluster,
  type Context,
  newClusters,
  newContexts,
  newUsers,
  type User,
} from "@kubernetes/client-node/dist/config_types.js";
import { load } from "js-yaml";
import { explainError, IronbridgeError } from "../core/mod.ts";

/** The cluster and the user that the current context of a kubeconfig names. */
export interface KubeLogin {
  readonly cluster: Cluster;
  readonly user: User;
  /** A name that the server's certificate may hold in place of the host that is asked. */
  readonly alternativeName?: string;
}

/** One file, with its relative paths resolved. */
interface Kubeconfig {
  readonly clusters: readonly Cluster[];
  readonly users: readonly User[];
  readonly contexts: readonly Context[];
  readonly currentContext: string | undefined;
}

interface RawKubeconfig {
  readonly clusters?: unknown;
  readonly users?: unknown;
  readonly contexts?: unknown;
  readonly "current-context"?: string;
}

interface RawUser {
  readonly name?: string;
  readonly user?: {
    readonly tokenFile?: string;
    readonly exec?: { readonly apiVersion?: string; readonly env?: readonly object[] | null } | null;
  } | null;
}

/**
 * Reads kubeconfig files as kubectl merges them: of two entries with one name, and of two current contexts, the first wins.
 * @throws {IronbridgeError} IB_OPTION_INVALID with the path and what is wrong in it.
 */
export function readKubeconfigs(paths: readonly string[]): KubeLogin {
  const files = paths.map(readKubeconfig);
  const where = paths.join(", ");
  const contextName = files.map((file) => file.currentContext).find((name) => name !== undefined && name !== "");
  if (contextName === undefined) throw invalid(where, "current-context is not set");
  const context = named(
    where,
    "context",
    contextName,
    files.flatMap((file) => file.contexts),
  );
  const cluster = named(
    where,
    "cluster",
    context.cluster,
    files.flatMap((file) => file.clusters),
  );
  const user =
    context.user === undefined
      ? { name: "nobody" }
      : named(
          where,
          "user",
          context.user,
          files.flatMap((file) => file.users),
        );
  check(where, cluster);
  return { cluster, user };
}

/**
 * The URL of the API server that the current context of a kubeconfig names.
 * @throws {IronbridgeError} IB_OPTION_INVALID with the path and what is wrong in it.
 */
export function serverOf(path: string): string {
  return readKubeconfigs([path]).cluster.server;
}

function readKubeconfig(path: string): Kubeconfig {
  try {
    return parseKubeconfig(readFileSync(path, "utf8"), dirname(resolve(path)));
  } catch (error) {
    // The first line says it; a YAML error shows the place on more lines.
    throw invalid(path, explainError(error).split("\n")[0] ?? "");
  }
}

/** @param folder What relative paths in the file are relative to. */
function parseKubeconfig(text: string, folder: string): Kubeconfig {
  const raw: RawKubeconfig = Object(load(text));
  const absolute = (path: string | undefined) => (path ? resolve(folder, path) : undefined);
  return {
    clusters: newClusters(raw.clusters).map((cluster) => ({
      ...cluster,
      ...present("caFile", absolute(cluster.caFile)),
    })),
    users: newUsers(Array.isArray(raw.users) ? raw.users.map((user) => complete(user, folder)) : []).map((user) => ({
      ...user,
      ...present("certFile", absolute(user.certFile)),
      ...present("keyFile", absolute(user.keyFile)),
    })),
    contexts: newContexts(raw.contexts),
    currentContext: raw["current-context"],
  };
}

/**
 * Two things the library doesn't do: a user's tokenFile (it reads a field of another name, once), and the environment
 * variable that login programs get from kubectl (client.authentication.k8s.io, KUBERNETES_EXEC_INFO).
 */
function complete(entry: RawUser, folder: string): RawUser {
  const { tokenFile, exec } = entry?.user ?? {};
  if (tokenFile) {
    const config = { tokenFile: resolve(folder, tokenFile) };
    return { ...entry, user: { ...entry.user, "auth-provider": { name: "tokenFile", config } } } as RawUser;
  }
  if (exec) {
    const info = { apiVersion: exec.apiVersion, kind: "ExecCredential", spec: { interactive: false } };
    const env = [...(exec.env ?? []), { name: "KUBERNETES_EXEC_INFO", value: JSON.stringify(info) }];
    return { ...entry, user: { ...entry.user, exec: { ...exec, env } } };
  }
  return entry;
}

function named<T extends { readonly name: string }>(where: string, kind: string, name: string, all: readonly T[]): T {
  const found = all.find((entry) => entry.name === name);
  if (found !== undefined) return found;
  const known = all.map((entry) => entry.name).join(", ") || "none";
  throw invalid(where, `there is no ${kind} "${name}" (there is: ${known})`);
}

function check(where: string, { name, server, proxyUrl }: Cluster): void {
  if (!URL.canParse(server) || !/^https?:$/.test(new URL(server).protocol)) {
    throw invalid(where, `server of cluster "${name}" is "${server}", want https://HOST:PORT`);
  }
  if (proxyUrl) throw invalid(where, `proxy-url of cluster "${name}" is not supported`);
}

function present<K extends string, V>(key: K, value: V | undefined): Partial<Record<K, V>> {
  return value === undefined ? {} : ({ [key]: value } as Record<K, V>);
}

function invalid(where: string, why: string): IronbridgeError {
  return new IronbridgeError("IB_OPTION_INVALID", `kubeconfig ${where}: ${why}`);
}
