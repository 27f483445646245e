import { readFileSync } from "node:fs";
import { isIPv6 } from "node:net";
import type { AgentOptions } from "../config/mod.ts";

type Source = Pick<AgentOptions, "apiHost" | "apiPort" | "apiServerFile">;

/**
 * The URL by which the service account of an agent's pod reaches the API server: what the settings say, else where the
 * node's kubelet reaches it. Undefined when neither is known: then it is the Service `kubernetes`, which only works where
 * something else forwards Services.
 */
export function apiServerOf({ apiHost, apiPort, apiServerFile }: Source): string | undefined {
  if (apiHost !== undefined) return `https://${isIPv6(apiHost) ? `[${apiHost}]` : apiHost}:${apiPort}`;
  return apiServerFile === undefined ? undefined : readUrl(apiServerFile);
}

/** Undefined when the file is not there: the kubelet of the node keeps no kubeconfig where it was looked for. */
function readUrl(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8").trim() || undefined;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}
