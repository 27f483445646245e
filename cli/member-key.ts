import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { type AgentOptions, MEMBERS_SECRET } from "../config/mod.ts";
import { explainError, hasCode, IronbridgeError, type Log, startRunner } from "../core/mod.ts";
import { type KubeClient, refusalStatus, SECRETS } from "../kube/mod.ts";

/** The key of the Secret's data. */
const FIELD = "key";
const KEY_LENGTH = 32;
/** Octets; with fewer it is no secret. */
const SHORTEST = 16;
/** Milliseconds between two looks for a Secret that is not there yet. */
const LOOK_EVERY = 1_000;
/** Milliseconds between two looks for a key that was replaced. */
const FOLLOW = { minInterval: 1_000, retryInterval: 30_000, maxInterval: 30_000 } as const;
/** Milliseconds without an answer after which the copy of an earlier run has to do. */
const COPY_AFTER = 2_000;

interface Cluster {
  readonly client: KubeClient;
  readonly log: Log;
}

type Source = Pick<AgentOptions, "memberKeyFile" | "namespace" | "stateDir">;

/**
 * The nodes' shared secret: from the file, else from the Secret, waiting until the controller has made it. A copy is kept
 * for a start without the API server. Never resolves once `signal` aborted.
 * @throws {IronbridgeError} IB_OPTION_INVALID when neither is given, or the file can't be read or is too short.
 */
export function memberKey(source: Source, { client, log }: Cluster, signal: AbortSignal): Promise<Uint8Array> {
  const { memberKeyFile, namespace, stateDir } = source;
  if (memberKeyFile !== undefined) return Promise.resolve(readKeyFile(memberKeyFile));
  if (namespace === undefined) {
    throw new IronbridgeError("IB_OPTION_INVALID", "the speaker needs --member-key-file or --namespace");
  }
  const copy = join(stateDir, "member-key");
  const look = async () => {
    const key = await fetchKey(client, namespace);
    keepCopy(stateDir, copy, key);
    return key;
  };
  const lookOrCopy = async () => {
    const looking = look();
    try {
      const late = pause(COPY_AFTER).then(() => readCopy(copy));
      return (await Promise.race([looking, late])) ?? (await looking);
    } catch (error) {
      const kept = hasCode(error, "IB_API_UNREACHABLE") ? readCopy(copy) : undefined;
      if (kept === undefined) throw error;
      return kept;
    } finally {
      looking.catch(() => {}); // told by the race, or of no interest once there is a key
    }
  };
  const waits = (error: unknown) =>
    log.warn({ event: "members.no_key", namespace, error: explainError(error) }, "no shared key yet, announcing waits");
  return untilDone(lookOrCopy, waits, signal);
}

/** Calls `onChange` with the key whenever it is another than before: a key that is replaced needs no restart. */
export function followMemberKey(
  first: Uint8Array,
  { memberKeyFile, namespace, stateDir }: Source,
  { client, log }: Cluster,
  onChange: (key: Uint8Array) => void,
  signal: AbortSignal,
): void {
  let known = first;
  const look = async () => {
    const key =
      memberKeyFile !== undefined
        ? readKeyFile(memberKeyFile)
        : namespace === undefined
          ? known
          : await fetchKey(client, namespace);
    if (Buffer.compare(key, known) === 0) return;
    known = key;
    if (memberKeyFile === undefined) keepCopy(stateDir, join(stateDir, "member-key"), key);
    log.info({ event: "members.key_changed" }, "the shared key was replaced");
    onChange(key);
  };
  const onError = (error: unknown) =>
    log.warn(
      { event: "members.no_key", error: explainError(error) },
      "cannot look for a new shared key, the old one stays",
    );
  startRunner(look, { ...FOLLOW, onError }, signal);
}

/** Makes the Secret when it is not there; tries again until it is. */
export function makeMemberKey(namespace: string, { client, log }: Cluster, signal: AbortSignal): Promise<void> {
  const metadata = { name: MEMBERS_SECRET, namespace };
  const make = async () => {
    if ((await client.get(SECRETS, metadata)) !== undefined) return;
    // One line of text: while it is replaced, the next one stands below it.
    const key = Buffer.from(randomBytes(KEY_LENGTH).toString("hex"));
    const data = { [FIELD]: key.toString("base64") };
    try {
      await client.create(SECRETS, { metadata, type: "Opaque", data });
      log.info({ event: "members.key_made", ...metadata }, "made the shared key of the agents");
    } catch (error) {
      if (refusalStatus(error) !== 409) throw error; // somebody else was faster
    }
  };
  const waits = (error: unknown) =>
    log.warn({ event: "members.no_key", ...metadata, error: explainError(error) }, "cannot make the shared key yet");
  return untilDone(make, waits, signal);
}

/** Runs `work` until it succeeds once; the first failure is told. */
function untilDone<T>(
  work: () => Promise<T>,
  onFirstFailure: (error: unknown) => void,
  signal: AbortSignal,
): Promise<T> {
  const result = Promise.withResolvers<T>();
  const stop = new AbortController();
  let failed = false;
  const onError = (error: unknown) => {
    if (!failed) onFirstFailure(error);
    failed = true;
  };
  const attempt = async () => {
    result.resolve(await work());
    stop.abort();
  };
  const pace = { minInterval: 0, retryInterval: LOOK_EVERY, maxInterval: LOOK_EVERY, onError };
  startRunner(attempt, pace, AbortSignal.any([signal, stop.signal]));
  return result.promise;
}

async function fetchKey(client: KubeClient, namespace: string): Promise<Uint8Array> {
  const secret = await client.get(SECRETS, { name: MEMBERS_SECRET, namespace });
  if (secret === undefined) {
    throw new IronbridgeError(
      "IB_API_REFUSED",
      `there is no Secret ${namespace}/${MEMBERS_SECRET}, the controller makes it`,
    );
  }
  return longEnough(
    `Secret ${namespace}/${MEMBERS_SECRET}, field ${FIELD},`,
    Buffer.from(secret.data?.[FIELD] ?? "", "base64"),
  );
}

function readKeyFile(file: string): Uint8Array {
  try {
    return longEnough(`--member-key-file ${file}`, readFileSync(file));
  } catch (cause) {
    if (cause instanceof IronbridgeError) throw cause;
    throw new IronbridgeError("IB_OPTION_INVALID", `--member-key-file ${file} can't be read`, { cause });
  }
}

/** For root only, and never half of it. */
function keepCopy(folder: string, file: string, key: Uint8Array): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeFileSync(`${file}.new`, key, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

function readCopy(file: string): Uint8Array | undefined {
  try {
    return longEnough(file, readFileSync(file));
  } catch {
    return undefined; // none or a useless one: the Secret has to be waited for, which is told
  }
}

function longEnough(where: string, key: Uint8Array): Uint8Array {
  if (key.length >= SHORTEST) return key;
  throw new IronbridgeError("IB_OPTION_INVALID", `${where} holds ${key.length} octets, want ${SHORTEST} or more`);
}
