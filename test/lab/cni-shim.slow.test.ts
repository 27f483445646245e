import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { exec } from "../../linux/mod.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const SHIM = join(ROOT, "dist/ironbridge-cni");
/** Milliseconds that the plugin gives an agent and its caller. */
const DEADLINE = 30_000;
let directory = "";
let path = "";
let server: Server;

beforeAll(async () => {
  await exec(join(ROOT, "tools/build-shim"), []);
  directory = mkdtempSync(join(tmpdir(), "ib-shim-"));
  path = join(directory, "cni.sock");
  server = createServer((socket) => {
    socket.on("error", () => {}); // the plugin leaves first
    socket.on("data", () => socket.write("ibc1\0\0")); // and never more
  });
  await new Promise<void>((done) => server.listen(path, done));
});
afterAll(() => {
  server.close();
  rmSync(directory, { recursive: true });
});

/** Calls the plugin. `ends`: standard input ends after the text, else it stays open. */
function call(command: string, input: { readonly text: string; readonly ends: boolean }) {
  const start = performance.now();
  const env = { CNI_COMMAND: command, CNI_CONTAINERID: "c1", CNI_IFNAME: "eth0", CNI_NETNS: "/run/netns/x" };
  const child = spawn(SHIM, [], { env, stdio: ["pipe", "pipe", "inherit"] });
  let stdout = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stdin.write(input.text);
  if (input.ends) child.stdin.end();
  return new Promise<{ exit: number | null; ms: number; code?: number; msg?: string }>((done) => {
    child.once("close", (exit) => {
      child.stdin.destroy();
      done({ exit, ms: performance.now() - start, ...JSON.parse(stdout) });
    });
  });
}

describe.concurrent("ironbridge-cni ends at its deadline, with an agent that never ends its answer", () => {
  const config = () => JSON.stringify({ cniVersion: "1.0.0", agentSocket: path });
  const cases = [
    { name: "ADD", code: 11, msg: "did not answer in time" },
    { name: "DEL", code: 11, msg: "did not answer in time" },
    { name: "ADD with a standard input that never ends", code: 5, msg: "standard input did not end in time" },
    { name: "DEL with a standard input that never ends", code: 5, msg: "standard input did not end in time" },
  ];
  test.each(cases)("$name", { timeout: 2 * DEADLINE }, async ({ name, code, msg }) => {
    const answer = await call(name.slice(0, 3), { text: config(), ends: name.length === 3 });
    expect(answer).toMatchObject({ exit: 1, code, msg: expect.stringContaining(msg) });
    expect(answer.ms).toBeGreaterThan(DEADLINE - 100);
    expect(answer.ms).toBeLessThan(DEADLINE + 10_000);
    // The agent may be at work on it: nobody else is to do it later.
    expect(existsSync(join(directory, "deletions"))).toBe(false);
  });
});
