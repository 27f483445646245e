import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, expect, test } from "vitest";

const door = new URL("../../../core/mod.ts", import.meta.url).href;

/** Starts a program whose main is the text `main`; it prints "up" when it runs. */
function start(main: string) {
  const text = `
    import { IronbridgeError, runProgram } from ${JSON.stringify(door)};
    await runProgram("test", async (signal) => {
      console.log("up");
      ${main}
    });`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", text], { stdio: ["ignore", "pipe", "pipe"] });
  const output = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (part: string) => {
    output.stdout += part;
  });
  child.stderr.setEncoding("utf8").on("data", (part: string) => {
    output.stderr += part;
  });
  const up = once(child.stdout, "data");
  const end = once(child, "close").then(([code]) => ({ code, ...output }));
  return { child, up, end };
}

describe("runProgram()", () => {
  test.each([
    { name: "0 when main resolves, whatever still runs", main: "setInterval(() => {}, 1000)", code: 0 },
    { name: "what main set", main: "process.exitCode = 1; setInterval(() => {}, 1000)", code: 1 },
    { name: "1 at a failure", main: 'throw new IronbridgeError("IB_KERNEL_REFUSED", "no")', code: 1 },
    { name: "2 at a wrong option", main: 'throw new IronbridgeError("IB_OPTION_INVALID", "no")', code: 2 },
  ])("exits with $name", async ({ main, code }) => {
    expect((await start(main).end).code).toBe(code);
  });

  test("prints a failure as a sentence and a remedy, without a stack", async () => {
    const { stderr } = await start('throw new IronbridgeError("IB_API_UNREACHABLE", "list services: no answer")').end;
    expect(stderr).toBe(
      "test: list services: no answer (IB_API_UNREACHABLE)\n" +
        "  Check that the API server's address in the kubeconfig answers from this node.\n",
    );
  });

  test.each([
    { name: "thrown by main", main: 'throw new Error("oops")' },
    {
      name: "thrown in a timer",
      main: 'setTimeout(() => { throw new Error("oops"); }, 1); await new Promise(() => {});',
    },
    { name: "in a forgotten promise", main: 'void Promise.reject(new Error("oops")); await new Promise(() => {});' },
  ])("logs an unexpected error $name as one fatal line and exits with 1", async ({ main }) => {
    const { code, stdout } = await start(`setInterval(() => {}, 1000); ${main}`).end;
    expect(code).toBe(1);
    const lines = stdout.trim().split("\n").slice(1);
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({
      level: "fatal",
      program: "test",
      event: "program.crashed",
      err: { message: "oops" },
    });
  });

  test.each(["SIGTERM", "SIGINT"] as const)("aborts its signal at %s and lets main end", async (signal) => {
    const { child, up, end } = start(`
      setInterval(() => {}, 1000);
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      console.log("down");`);
    await up;
    child.kill(signal);
    expect(await end).toMatchObject({ code: 0, stdout: "up\ndown\n" });
  });

  test("ends at once at the second signal", async () => {
    const { child, up, end } = start(`
      setInterval(() => {}, 1000);
      signal.addEventListener("abort", () => console.log("stuck"));
      await new Promise(() => {});`);
    await up;
    const stuck = once(child.stdout, "data");
    child.kill("SIGTERM");
    await stuck;
    child.kill("SIGTERM");
    expect((await end).code).toBe(1);
  });
});
