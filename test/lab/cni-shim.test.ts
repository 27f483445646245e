import { spawn } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { open } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { decodeInvocation } from "../../cni/frame.ts";
import { exec } from "../../linux/mod.ts";
import { waitFor } from "../support/wait.ts";
import { callPlugin, type PluginCall } from "./support/cni-lab.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const SHIM = join(ROOT, "dist/ironbridge-cni");
let directory = "";
let path = "";
let server: Server | undefined;

beforeAll(() => exec(join(ROOT, "tools/build-shim"), []));
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "ib-shim-"));
  path = join(directory, "cni.sock");
});
afterEach(() => {
  server?.close();
  server = undefined;
  rmSync(directory, { recursive: true, force: true });
});

/** An agent that does `onRequest` when a plugin has sent something. */
function listen(onRequest: (socket: Socket, request: Buffer) => void): Promise<void> {
  server = createServer((socket) => {
    socket.on("error", () => {}); // the plugin may leave first
    socket.on("data", (request) => onRequest(socket, request));
  });
  return new Promise((done) => server!.listen(path, done));
}

/** Where a DEL waits that no agent answers. */
const queue = () => join(directory, "deletions");

/** A socket as an agent leaves it that was killed. */
async function leaveSocket(): Promise<void> {
  await exec("python3", ["-c", `import socket; socket.socket(socket.AF_UNIX).bind("${path}")`]);
}

async function call(command: string, config: object = { cniVersion: "1.0.0" }) {
  const start = performance.now();
  const what: PluginCall = { command, containerId: "c1", netns: "/run/netns/x" };
  const { exit, stdout } = await callPlugin(SHIM, what, JSON.stringify({ agentSocket: path, ...config }));
  return { exit, stdout, ms: performance.now() - start };
}

const refusal = ({ exit, stdout }: { exit: number | null; stdout: string }) => ({ exit, ...JSON.parse(stdout) });

describe("ironbridge-cni", () => {
  test("hands over its CNI environment and standard input, and prints the answer with its exit code", async () => {
    let seen = "";
    await listen((socket, request) => {
      seen = request.toString("latin1");
      socket.end("ibc1\0\0\0\x06\x07hello");
    });
    expect(await call("ADD")).toMatchObject({ exit: 7, stdout: "hello" });
    expect(seen.slice(0, 4)).toBe("ibc1");
    for (const text of ["CNI_COMMAND=ADD\0", "CNI_CONTAINERID=c1\0", "CNI_NETNS=/run/netns/x\0", "CNI_IFNAME=eth0\0"]) {
      expect(seen).toContain(text);
    }
    expect(seen).toContain(`\0\0{"agentSocket":"${path}"`);
  });

  test("takes an answer that comes in pieces", async () => {
    const pieces = ["ib", "c1\0\0", "\0\x04\0on", "e"];
    await listen(async (socket) => {
      for (const piece of pieces) {
        socket.write(piece);
        await new Promise((done) => setTimeout(done, 5));
      }
      socket.end();
    });
    expect(await call("ADD")).toMatchObject({ exit: 0, stdout: "one" });
  });

  test("passes a large request and answer", async () => {
    let length = 0;
    const answer = "x".repeat(500_000);
    const config = { cniVersion: "1.1.0", filler: "y".repeat(900_000) };
    await listen((socket, request) => {
      length += request.length;
      const header = Buffer.from("ibc1\0\0\0\0\0");
      header.writeUInt32BE(answer.length + 1, 4);
      if (length > 900_000) socket.end(Buffer.concat([header, Buffer.from(answer)]));
    });
    expect((await call("GC", config)).stdout).toBe(answer);
  });

  test("refuses standard input over 1 MiB", async () => {
    expect(refusal(await call("ADD", { filler: "y".repeat(1_100_000) }))).toMatchObject({ exit: 1, code: 5 });
  });

  test("refuses a socket path that no socket can have", async () => {
    const answer = refusal(await call("ADD", { cniVersion: "1.0.0", agentSocket: `/${"a".repeat(108)}` }));
    expect(answer).toMatchObject({
      exit: 1,
      code: 7,
      cniVersion: "1.0.0",
      msg: expect.stringContaining("agentSocket"),
    });
  });

  test.each([
    { name: "another program's answer", bytes: "HTTP/1.1 400 Bad Request\r\n\r\n" },
    { name: "half a header", bytes: "ibc1\0" },
    { name: "half an answer", bytes: "ibc1\0\0\0\x09\0{" },
    { name: "an answer larger than allowed", bytes: "ibc1\x7f\0\0\0\0{" },
    { name: "an empty answer", bytes: "ibc1\0\0\0\0" },
    { name: "nothing", bytes: "" },
  ])("says try again later when ADD gets $name, and does not ask twice", async ({ bytes }) => {
    let asked = 0;
    await listen((socket) => {
      asked += 1;
      socket.end(bytes, "latin1");
    });
    expect(refusal(await call("ADD"))).toMatchObject({ exit: 1, code: 11, cniVersion: "1.0.0", details: path });
    expect(asked).toBe(1);
  });

  test("asks again when the agent stops in the middle of a DEL", async () => {
    let asked = 0;
    await listen((socket) => {
      asked += 1;
      if (asked < 3) socket.destroy();
      else socket.end("ibc1\0\0\0\x01\0");
    });
    expect(await call("DEL")).toMatchObject({ exit: 0, stdout: "" });
  });

  test.each([
    { name: "there is no socket", prepare: () => {} },
    { name: "nobody listens any more", prepare: leaveSocket },
    { name: "there is no directory for it either", prepare: () => rmSync(directory, { recursive: true }) },
  ])("keeps a DEL for the next agent at once when $name", async ({ prepare }) => {
    await prepare();
    for (let i = 0; i < 2; i++) {
      const { exit, stdout, ms } = await call("DEL");
      expect({ exit, stdout }).toEqual({ exit: 0, stdout: "" });
      expect(ms).toBeLessThan(2000);
    }
    expect(readdirSync(queue())).toEqual(["c1:eth0"]);
    expect(statSync(queue()).mode & 0o777).toBe(0o700);
    const kept = readFileSync(join(queue(), "c1:eth0"));
    expect(kept.subarray(0, 4).toString()).toBe("ibc1");
    expect(kept.readUInt32BE(4)).toBe(kept.length - 8);
    const { env, stdin } = decodeInvocation(kept.subarray(8));
    expect(env).toMatchObject({ CNI_COMMAND: "DEL", CNI_CONTAINERID: "c1", CNI_NETNS: "/run/netns/x" });
    expect(JSON.parse(stdin)).toMatchObject({ agentSocket: path });
  });

  test("keeps a DEL whose agent went away in the middle", async () => {
    await listen((socket) => {
      socket.end("ibc1\0");
      server?.close();
      server = undefined;
    });
    expect(await call("DEL")).toMatchObject({ exit: 0, stdout: "" });
    expect(readdirSync(queue())).toEqual(["c1:eth0"]);
  });

  test("keeps no DEL while an agent is there, and none but DELs", async () => {
    await listen((socket) => socket.end("ibc1\0\0\0\x01\0"));
    expect((await call("DEL")).exit).toBe(0);
    server!.close();
    expect(refusal(await call("STATUS", { cniVersion: "1.1.0" }))).toMatchObject({ exit: 1, code: 50 });
    expect(existsSync(queue())).toBe(false);
  });

  test("asks the agent that started while it wrote a DEL down, and takes that back", async () => {
    mkdirSync(queue());
    const config = { cniVersion: "1.0.0", agentSocket: path, filler: "y".repeat(200_000) };
    // The file it writes to is a pipe, which holds less than that: it stops in the middle.
    const script = `mkfifo ${queue()}/.$$; exec ${SHIM}`;
    const what: PluginCall = { command: "DEL", containerId: "c1" };
    const calling = callPlugin("sh", what, JSON.stringify(config), ["-c", script]);
    const name = await waitFor("the pipe", () => readdirSync(queue())[0], { deadline: 5000 });
    const pipe = await open(join(queue(), name), "r");
    await pipe.read(Buffer.alloc(1), 0, 1);
    await listen((socket) => socket.end("ibc1\0\0\0\x03\0ok"));
    await pipe.readFile();
    expect(await calling).toEqual({ exit: 0, stdout: "ok" });
    expect(readdirSync(queue())).toEqual([]);
    await pipe.close();
  });

  test("says try again later when too many DELs wait, but for one that waits already", async () => {
    mkdirSync(queue());
    for (let i = 0; i < 1000; i++) writeFileSync(join(queue(), `old${i}:eth0`), "");
    expect(refusal(await call("DEL"))).toMatchObject({ exit: 1, code: 11, msg: expect.stringContaining("too many") });
    renameSync(join(queue(), "old0:eth0"), join(queue(), "c1:eth0"));
    expect((await call("DEL")).exit).toBe(0);
    expect(readdirSync(queue())).toHaveLength(1000);
  });

  test("says try again later when the DEL can't be kept, and leaves no half of it", async () => {
    writeFileSync(queue(), "in its place");
    expect(refusal(await call("DEL"))).toMatchObject({ exit: 1, code: 11, details: "Not a directory" });
    rmSync(queue());
    mkdirSync(join(queue(), "c1:eth0"), { recursive: true });
    expect(refusal(await call("DEL"))).toMatchObject({ exit: 1, code: 11, details: "Is a directory" });
    expect(readdirSync(queue())).toEqual(["c1:eth0"]);
  });

  test.each([
    { containerId: "../../etc/passwd", msg: "CNI_CONTAINERID" },
    { containerId: ".hidden", msg: "CNI_CONTAINERID" },
    { containerId: "", msg: "CNI_CONTAINERID" },
    { containerId: "c".repeat(255), msg: "CNI_CONTAINERID" },
    { containerId: "c1", ifname: "../x", msg: "CNI_IFNAME" },
    { containerId: "c1", ifname: "a b", msg: "CNI_IFNAME" },
    { containerId: "c1", ifname: "sixteen-octets-1", msg: "CNI_IFNAME" },
  ])("keeps no DEL of $containerId $ifname", async ({ msg, ...what }) => {
    const stdin = JSON.stringify({ cniVersion: "1.0.0", agentSocket: path });
    const { exit, stdout } = await callPlugin(SHIM, { command: "DEL", ...what }, stdin);
    expect({ exit, ...JSON.parse(stdout) }).toMatchObject({ exit: 1, code: 4, msg: expect.stringContaining(msg) });
    expect(existsSync(queue())).toBe(false);
  });

  test("waits for an agent that is starting", async () => {
    const waiting = call("ADD");
    await new Promise((done) => setTimeout(done, 300));
    await listen((socket) => socket.end("ibc1\0\0\0\x03\0ok"));
    expect(await waiting).toMatchObject({ exit: 0, stdout: "ok" });
  });

  test("gives up after its deadlines: ADD when no agent comes, STATUS when none answers", async () => {
    const dead = call("ADD", { cniVersion: "1.0.0", agentSocket: join(directory, "none.sock") });
    await listen(() => {});
    const slow = await call("STATUS", { cniVersion: "1.1.0" });
    expect(refusal(slow)).toMatchObject({ exit: 1, code: 50, cniVersion: "1.1.0" });
    expect(slow.ms).toBeLessThan(4000);
    const gone = await dead;
    expect(refusal(gone)).toMatchObject({ exit: 1, code: 11 });
    expect(gone.ms).toBeLessThan(15_000);
  });

  test.each([
    { name: "an escaped slash", json: `{"agentSocket" :\t"\\/tmp\\/none"}`, details: "/tmp/none" },
    {
      name: "the name inside a text",
      json: `{"a":"\\"agentSocket\\":\\"x","agentSocket":"/tmp/none"}`,
      details: "/tmp/none",
    },
    { name: "no such key", json: `{"cniVersion":"1.0.0"}`, details: "/run/ironbridge/cni.sock" },
    { name: "octets that JSON does not allow", json: `{"agentSocket":"/tmp/\xff\x01\n"}`, details: "/tmp/????" },
  ])("finds the socket in a configuration with $name", async ({ json, details }) => {
    const { exit, stdout } = await callPlugin(SHIM, { command: "STATUS" }, json);
    expect({ exit, ...JSON.parse(stdout) }).toMatchObject({ exit: 1, code: 50, details });
  });

  test.each([
    { stdin: `{"cniVersion":"0.4.0"}`, cniVersion: "0.4.0" },
    { stdin: "garbage", cniVersion: "1.1.0" },
    { stdin: `{"cniVersion":"\\"},"}`, cniVersion: "1.1.0" },
  ])("answers VERSION without an agent, for $stdin", async ({ stdin, cniVersion }) => {
    const { exit, stdout } = await callPlugin(SHIM, { command: "VERSION" }, stdin);
    expect(exit).toBe(0);
    expect(JSON.parse(stdout)).toEqual({ cniVersion, supportedVersions: ["0.3.1", "0.4.0", "1.0.0", "1.1.0"] });
  });

  test("says what it is when a person starts it", async () => {
    const child = spawn(SHIM, [], { env: {}, stdio: ["ignore", "ignore", "pipe"] });
    let stderr = "";
    child.stderr.on("data", (text) => {
      stderr += text;
    });
    const exit = await new Promise((done) => child.once("close", done));
    expect(exit).toBe(0);
    expect(stderr).toContain("the CNI plugin of Ironbridge");
  });
});
