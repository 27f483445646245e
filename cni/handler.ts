import { explainError, type Log } from "../core/mod.ts";
import { attach } from "./attach.ts";
import { attachChained } from "./attach-chained.ts";
import { check } from "./check.ts";
import { CniError, CniErrorCode } from "./cni-error.ts";
import { collectGarbage, detach } from "./detach.ts";
import { type Answer, failureAnswer, type Invocation } from "./frame.ts";
import { answerVersion, CNI_VERSIONS } from "./network-config.ts";
import type { PodHost } from "./pod-host.ts";
import { type PodNamespaces, whenKnown } from "./pod-namespaces.ts";
import { type CniRequest, isCommand, parseRequest } from "./request.ts";
import { printResult } from "./result.ts";
import { Turns } from "./turns.ts";

/** What the handler needs of the node. */
export interface HandlerNode extends Omit<PodHost, "bridge"> {
  /** Resolves once pods can be attached for the first time. */
  readonly whenReady: Promise<void>;
  readonly namespaces: PodNamespaces;
  bridge(): PodHost["bridge"] | undefined;
  /** Why pods can't be attached, in sentences. */
  problems(): readonly string[];
}

export interface HandlerOptions {
  readonly node: HandlerNode;
  readonly log: Log;
  /** Told of each call when it is answered; `seconds` it took, `code` 0 or the CNI error code. */
  readonly observe: (call: {
    readonly command: CniRequest["command"] | "unknown";
    readonly code: number;
    readonly seconds: number;
  }) => void;
}

/** Milliseconds an ADD waits for the node's pod prefix: a node that just joined gets it in some seconds. */
const READY_TIMEOUT = 20_000;

/** Answers the calls of plugins: different containers side by side, one container in order, GC alone. Never rejects. */
export function createHandler({ node, log, observe }: HandlerOptions): (invocation: Invocation) => Promise<Answer> {
  const turns = new Turns();

  const run = (request: CniRequest): Promise<string> => {
    switch (request.command) {
      case "ADD":
      case "CHECK":
      case "DEL":
        return turns.run(request.key.containerId, () => perform(node, request));
      case "GC":
        return turns.runAlone(() => perform(node, request));
      default:
        return perform(node, request);
    }
  };

  return async (invocation) => {
    const start = performance.now();
    const command = isCommand(invocation.env.CNI_COMMAND) ? invocation.env.CNI_COMMAND : "unknown";
    const call = { command, container: invocation.env.CNI_CONTAINERID, ifname: invocation.env.CNI_IFNAME };
    const elapsed = () => (performance.now() - start) / 1000;
    try {
      const stdout = await run(parseRequest(invocation));
      observe({ command, code: 0, seconds: elapsed() });
      log.debug({ event: "cni.answered", ...call, seconds: elapsed() }, "answered a plugin");
      return { exit: 0, stdout };
    } catch (error) {
      const code = error instanceof CniError ? error.code : CniErrorCode.Internal;
      observe({ command, code, seconds: elapsed() });
      log.warn({ event: "cni.failed", ...call, code, reason: explainError(error) }, "a plugin call failed");
      return failureAnswer(error, answerVersion(invocation.stdin));
    }
  };
}

async function perform(node: HandlerNode, request: CniRequest): Promise<string> {
  switch (request.command) {
    case "ADD": {
      const host = await readyHost(node);
      if (request.config.prevResult !== undefined) return attachChained(host, request);
      await whenKnown(node.namespaces, request.pod?.namespace);
      return printResult(await attach(host, request), request.config.cniVersion);
    }
    case "DEL":
      await detach(node, request.key);
      return "";
    case "CHECK":
      await check(await readyHost(node), request);
      return "";
    case "GC":
      await collectGarbage(node, request.config.name, request.valid);
      return "";
    case "STATUS":
      reportStatus(node);
      return "";
    case "VERSION":
      return `${JSON.stringify({ cniVersion: request.config.cniVersion, supportedVersions: CNI_VERSIONS })}\n`;
  }
}

/** @throws {CniError} TryAgainLater when the node is still without its network after a while. */
async function readyHost(node: HandlerNode): Promise<PodHost> {
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(late.resolve, READY_TIMEOUT);
  await Promise.race([node.whenReady, late.promise]);
  clearTimeout(timer);
  const bridge = node.bridge();
  if (bridge !== undefined) return { ...node, bridge };
  throw new CniError(CniErrorCode.TryAgainLater, `this node can't take pods yet: ${node.problems().join("; ")}`);
}

/** @throws {CniError} NotAvailable, or Degraded when the node worked before. */
function reportStatus(node: HandlerNode): void {
  const problems = node.problems();
  if (problems.length > 0) {
    const code = node.bridge() === undefined ? CniErrorCode.NotAvailable : CniErrorCode.Degraded;
    throw new CniError(code, problems.join("; "));
  }
  const full = node.ipam.full();
  if (full.length > 0) {
    throw new CniError(CniErrorCode.NotAvailable, `no free pod address is left in ${full.join(", ")}`);
  }
}
