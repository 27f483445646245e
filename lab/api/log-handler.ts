import { once } from "node:events";
import type { ApiObject } from "./json.ts";
import { type ObjectRequest, targetOf } from "./object-handler.ts";
import { badRequest } from "./refusal.ts";
import { queryNumber } from "./request.ts";
import { onlyContainer } from "./workload-defaults.ts";

export interface LogOptions {
  readonly container: string;
  /** Go on with what the container writes from now on. */
  readonly follow: boolean;
  /** Only so many lines of what it wrote so far. */
  readonly tailLines?: number;
  /** Aborts when the client goes. */
  readonly signal: AbortSignal;
}

/** What a container of a Pod wrote, in pieces of any length. */
export type LogSource = (pod: ApiObject, options: LogOptions) => AsyncIterable<string>;

/** GET pods/NAME/log. @throws {Refusal} 400, 404 */
export async function serveLog(context: ObjectRequest, logs: LogSource): Promise<void> {
  const { api, path, query, response } = context;
  const pod = api.get(targetOf(context, path.name ?? "")).object;
  const container = query.get("container") ?? onlyContainer(pod);
  if (container === undefined) {
    throw badRequest(`a container name must be specified for pod ${pod.metadata.name}`);
  }
  const gone = new AbortController();
  response.on("close", () => gone.abort());
  const tailLines = queryNumber(query, "tailLines");
  const options = {
    container,
    follow: query.get("follow") === "true",
    signal: gone.signal,
    ...(tailLines !== undefined && { tailLines }),
  };
  response.writeHead(200, { "content-type": "text/plain" });
  response.flushHeaders();
  for await (const piece of logs(pod, options)) {
    if (gone.signal.aborted) return;
    if (!response.write(piece)) await Promise.race([once(response, "drain"), once(response, "close")]);
  }
  response.end();
}
