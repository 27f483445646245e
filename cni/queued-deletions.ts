import { readdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { explainError, type Log } from "../core/mod.ts";
import type { AttachmentKey } from "./attachment.ts";
import { CniError, CniErrorCode } from "./cni-error.ts";
import { completeBody, decodeInvocation } from "./frame.ts";
import { parseRequest } from "./request.ts";

/** Deletions under way at the same time: the kernel removes a hundred interfaces in the time of one. */
const AT_ONCE = 100;

/** Where the plugin leaves a DEL that found no agent: a file for each, with the request as it is sent. cni/plugin.c */
export function queueBeside(socketPath: string): string {
  return join(dirname(socketPath), "deletions");
}

/**
 * Does what plugins asked for while no agent ran, and empties the queue. What can't be read is dropped, and named in the
 * log; what fails stays for the next start. Never rejects.
 * @param detach Removes one attachment; succeeds when there is none.
 */
export async function runQueuedDeletions(
  directory: string,
  detach: (key: AttachmentKey) => Promise<void>,
  log: Log,
): Promise<void> {
  const names = waiting(directory, log);
  for (let i = 0; i < names.length; i += AT_ONCE) {
    const batch = names.slice(i, i + AT_ONCE).map((name) => join(directory, name));
    await Promise.all(batch.map((path) => runOne(path, detach, log)));
  }
}

/** Those with a dot are being written: their plugin will find the agent itself. */
function waiting(directory: string, log: Log): readonly string[] {
  try {
    return readdirSync(directory).filter((name) => !name.startsWith("."));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") {
      const what = { event: "cni.queue_unreadable", directory, reason: explainError(error) };
      log.error(what, "what plugins asked for while no agent ran can't be read");
    }
    return [];
  }
}

async function runOne(path: string, detach: (key: AttachmentKey) => Promise<void>, log: Log): Promise<void> {
  const key = readKey(path, log);
  try {
    if (key !== undefined) await detach(key);
    rmSync(path, { force: true, recursive: true });
  } catch (error) {
    const what = { event: "cni.queued_failed", ...key, reason: explainError(error) };
    return log.warn(what, "a deletion from the time without an agent failed; the next start tries again");
  }
  if (key !== undefined)
    log.info({ event: "cni.queued_done", ...key }, "did a deletion from the time without an agent");
}

/** Undefined when there is nothing to do. */
function readKey(path: string, log: Log): AttachmentKey | undefined {
  try {
    return deletionIn(readFileSync(path));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined; // its plugin found the agent after all
    const what = { event: "cni.queued_refused", path, reason: explainError(error) };
    log.warn(what, "what waited for the agent is no deletion of a plugin, and was dropped");
    return undefined;
  }
}

/** @throws {CniError} */
function deletionIn(content: Buffer): AttachmentKey {
  const body = completeBody(content);
  if (body === undefined) throw new CniError(CniErrorCode.DecodingFailure, "it ends too early");
  const request = parseRequest(decodeInvocation(body));
  if (request.command === "DEL") return request.key;
  throw new CniError(CniErrorCode.DecodingFailure, `it is a request for ${request.command}`);
}
