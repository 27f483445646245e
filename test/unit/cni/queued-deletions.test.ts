import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type AttachmentKey, printKey } from "../../../cni/attachment.ts";
import { queueBeside, runQueuedDeletions } from "../../../cni/queued-deletions.ts";
import { encodeInvocation } from "./invocation.ts";

const STDIN = JSON.stringify({ cniVersion: "1.0.0", name: "ironbridge", type: "ironbridge-cni" });
let directory = "";
let warnings: Record<string, unknown>[] = [];
const log = pino({ level: "warn" }, { write: (line) => warnings.push(JSON.parse(line)) });

beforeEach(() => {
  directory = join(mkdtempSync(join(tmpdir(), "ib-cni-")), "deletions");
  mkdirSync(directory);
  warnings = [];
});
afterEach(() => rmSync(join(directory, ".."), { recursive: true }));

function request(containerId: string, env: Record<string, string> = {}, stdin = STDIN): Buffer {
  return encodeInvocation({
    env: { CNI_COMMAND: "DEL", CNI_CONTAINERID: containerId, CNI_IFNAME: "eth0", ...env },
    stdin,
  });
}

const keep = (name: string, content: Buffer | string) => writeFileSync(join(directory, name), content);

/** What was asked to be removed, in order. */
async function run(refused: readonly string[] = []): Promise<string[]> {
  const seen: string[] = [];
  const detach = async (key: AttachmentKey) => {
    seen.push(printKey(key));
    if (refused.includes(key.containerId)) throw new Error("the kernel keeps it");
  };
  await runQueuedDeletions(directory, detach, log);
  return seen.sort();
}

describe("queueBeside()", () => {
  test("is where the plugin writes", () => {
    expect(queueBeside("/run/ironbridge/cni.sock")).toBe("/run/ironbridge/deletions");
  });
});

describe("runQueuedDeletions()", () => {
  test("does each deletion once and empties the queue", async () => {
    const names = Array.from({ length: 250 }, (_, i) => `c${String(i).padStart(3, "0")}`);
    for (const name of names) keep(`${name}:eth0`, request(name));
    expect(await run()).toEqual(names.map((name) => `${name}/eth0`));
    expect(readdirSync(directory)).toEqual([]);
    expect(warnings).toEqual([]);
    expect(await run()).toEqual([]);
  });

  test("needs no namespace and no queue", async () => {
    keep("a:eth0", request("a", { CNI_NETNS: "/run/netns/gone" }));
    keep("b:net1", request("b", { CNI_IFNAME: "net1" }));
    expect(await run()).toEqual(["a/eth0", "b/net1"]);
    rmSync(directory, { recursive: true });
    expect(await run()).toEqual([]);
    expect(warnings).toEqual([]);
  });

  test.each([
    { name: "an empty file", content: "", reason: "ends too early" },
    { name: "half a request", content: request("x").subarray(0, 40), reason: "ends too early" },
    { name: "something else", content: "GET / HTTP/1.1", reason: "speaks only with the plugin" },
    { name: "a request for ADD", content: request("x", { CNI_COMMAND: "ADD", CNI_NETNS: "/n" }), reason: "for ADD" },
    { name: "no name of a container", content: request("../x"), reason: "CNI_CONTAINERID" },
    { name: "a configuration that is none", content: request("x", {}, "{"), reason: "not JSON" },
  ])("drops $name with a word in the log, and does the others", async ({ content, reason }) => {
    keep("bad:eth0", content);
    keep("good:eth0", request("good"));
    expect(await run()).toEqual(["good/eth0"]);
    expect(readdirSync(directory)).toEqual([]);
    const path = join(directory, "bad:eth0");
    expect(warnings).toMatchObject([{ event: "cni.queued_refused", path, reason: expect.stringContaining(reason) }]);
  });

  test("drops a directory", async () => {
    mkdirSync(join(directory, "bad:eth0"));
    expect(await run()).toEqual([]);
    expect(readdirSync(directory)).toEqual([]);
    expect(warnings).toMatchObject([{ event: "cni.queued_refused" }]);
  });

  test("leaves what plugins are writing", async () => {
    keep(".123", request("half").subarray(0, 30));
    expect(await run()).toEqual([]);
    expect(readdirSync(directory)).toEqual([".123"]);
    expect(warnings).toEqual([]);
  });

  test("keeps what fails for the next start", async () => {
    keep("a:eth0", request("a"));
    keep("b:eth0", request("b"));
    expect(await run(["a"])).toEqual(["a/eth0", "b/eth0"]);
    expect(readdirSync(directory)).toEqual(["a:eth0"]);
    expect(warnings).toMatchObject([{ event: "cni.queued_failed", containerId: "a", reason: "the kernel keeps it" }]);
    expect(await run()).toEqual(["a/eth0"]);
    expect(existsSync(join(directory, "a:eth0"))).toBe(false);
  });

  test("says what is wrong with a queue that is no directory", async () => {
    rmSync(directory, { recursive: true });
    writeFileSync(directory, "");
    expect(await run()).toEqual([]);
    expect(warnings).toMatchObject([{ event: "cni.queue_unreadable", directory }]);
  });
});
