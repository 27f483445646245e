import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Answer, Invocation } from "../../../cni/frame.ts";
import { listenForPlugins } from "../../../cni/server.ts";
import { silentLog } from "../../../core/mod.ts";
import { waitFor } from "../../support/wait.ts";
import { encodeInvocation } from "./invocation.ts";

const REQUEST = encodeInvocation({ env: { CNI_COMMAND: "STATUS" }, stdin: "{}" });
let directory = "";
let path = "";
let stop = new AbortController();

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "ib-cni-"));
  path = join(directory, "run", "cni.sock");
  stop = new AbortController();
});
afterEach(() => {
  stop.abort();
  rmSync(directory, { recursive: true });
});

function listen(
  answer: (invocation: Invocation) => Promise<Answer> = async () => ({ exit: 0, stdout: "fine" }),
  prepare = async () => {},
) {
  return listenForPlugins(path, { prepare, answer }, silentLog(), stop.signal);
}

/** Sends `chunks`, ends the sending side unless told to keep it open, and gives all that comes back. */
function exchange(chunks: readonly (Buffer | string)[], sending: "ends" | "stays open" = "ends"): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path, allowHalfOpen: true });
    let received = "";
    socket.setEncoding("latin1");
    socket.on("data", (text: string) => {
      received += text;
    });
    socket.on("end", () => {
      socket.end();
      resolve(received);
    });
    socket.on("error", reject);
    for (const chunk of chunks) socket.write(chunk);
    if (sending === "ends") socket.end();
  });
}

describe("listenForPlugins()", () => {
  test("answers a request, also one that comes octet by octet", async () => {
    await listen();
    expect(await exchange([REQUEST], "stays open")).toBe("ibc1\0\0\0\x05\0fine");
    expect(await exchange([...REQUEST].map((octet) => Buffer.of(octet)))).toBe("ibc1\0\0\0\x05\0fine");
  });

  test("gives an answer that is larger than the socket holds, and one that nobody waits for any more", async () => {
    const stdout = "x".repeat(900_000);
    await listen(async () => ({ exit: 0, stdout }));
    const leaver = connect(path, () => leaver.end(REQUEST, () => leaver.destroy()));
    await new Promise((resolve) => leaver.once("close", resolve));
    expect((await exchange([REQUEST])).length).toBe(9 + stdout.length);
  });

  test("lets only root reach the socket, and takes the place of a socket left behind", async () => {
    await listen();
    expect(statSync(join(path, "..")).mode & 0o777).toBe(0o700);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    stop.abort();
    stop = new AbortController();
    writeFileSync(path, "");
    await listen();
    expect(await exchange([REQUEST])).toContain("fine");
  });

  test("can be reached while it prepares, and answers nobody before it has", async () => {
    const prepared = Promise.withResolvers<void>();
    const asked: string[] = [];
    const listening = listen(
      async ({ stdin }) => {
        asked.push(stdin);
        return { exit: 0, stdout: "fine" };
      },
      () => prepared.promise,
    );
    await waitFor("the socket", () => existsSync(path), { deadline: 2000 });
    const early = exchange([REQUEST]);
    await exchange([Buffer.from("garbage", "latin1")]); // the program had time to answer both
    expect(asked).toEqual([]);
    prepared.resolve();
    await listening;
    expect(await early).toContain("fine");
  });

  test("refuses a path the kernel has no room for", async () => {
    path = join(directory, "x".repeat(108));
    await expect(listen()).rejects.toThrow("longer than the 107 octets");
  });

  test.each([
    { name: "another protocol", bytes: "GET / HTTP/1.1\r\n\r\n", says: "speaks only with the plugin" },
    { name: "a length over the limit", bytes: "ibc1\xff\xff\xff\xff", says: "largest allowed" },
    { name: "half a header", bytes: "ibc1", says: "not complete before the connection ended" },
    { name: "half a body", bytes: "ibc1\0\0\0\x09CNI_", says: "not complete before the connection ended" },
    { name: "an environment without end", bytes: "ibc1\0\0\0\x04CNI_", says: "environment does not end" },
    { name: "nothing", bytes: "", says: "not complete before the connection ended" },
  ])("answers $name with an error and goes on", async ({ bytes, says }) => {
    await listen();
    const answer = await exchange([Buffer.from(bytes, "latin1")]);
    expect(answer.slice(8, 9)).toBe("\x01");
    expect(JSON.parse(answer.slice(9))).toMatchObject({ code: 6, msg: expect.stringContaining(says) });
    expect(await exchange([REQUEST])).toContain("fine");
  });

  test("answers others while one takes long", async () => {
    const slow = Promise.withResolvers<Answer>();
    await listen(({ stdin }) => (stdin === "slow" ? slow.promise : Promise.resolve({ exit: 0, stdout: "quick" })));
    const first = exchange([encodeInvocation({ env: {}, stdin: "slow" })]);
    expect(await exchange([REQUEST])).toContain("quick");
    slow.resolve({ exit: 0, stdout: "done" });
    expect(await first).toContain("done");
  });

  test("survives a plugin that is killed while it waits", async () => {
    const slow = Promise.withResolvers<Answer>();
    await listen(({ stdin }) => (stdin === "slow" ? slow.promise : Promise.resolve({ exit: 0, stdout: "quick" })));
    const socket = connect(path);
    socket.write(encodeInvocation({ env: {}, stdin: "slow" }), () => socket.destroy());
    await new Promise((resolve) => socket.once("close", resolve));
    slow.resolve({ exit: 0, stdout: "x".repeat(100_000) });
    expect(await exchange([REQUEST])).toContain("quick");
  });
});
