import { describe, expect, test } from "vitest";
import { hasCode } from "../../../core/mod.ts";
import { exec } from "../../../linux/exec.ts";

describe("exec()", () => {
  test("gives standard output as it is, and hands over input", async () => {
    expect(await exec("cat", [], { input: "two\nlines\n" })).toBe("two\nlines\n");
    expect(await exec("cat", [])).toBe("");
  });

  test.each([
    { program: "false", args: [], words: "false: exit code 1: ", code: "IB_KERNEL_REFUSED" },
    {
      program: "sh",
      args: ["-c", "echo out; echo bad news >&2; exit 3"],
      words: "exit code 3: bad news",
      code: "IB_KERNEL_REFUSED",
    },
    { program: "sleep", args: ["5"], words: "sleep 5: not done after 50 ms", code: "IB_KERNEL_REFUSED" },
    { program: "sh", args: ["-c", "kill -9 $$"], words: "SIGKILL", code: "IB_KERNEL_REFUSED" },
    {
      program: "ironbridge-nothing",
      args: [],
      words: "ironbridge-nothing is not installed",
      code: "IB_BINARY_MISSING",
    },
  ] as const)("$program $args fails with $words", async ({ program, args, words, code }) => {
    const failure = await exec(program, args, { timeout: 50 }).catch((error: unknown) => error);
    expect(hasCode(failure, code)).toBe(true);
    expect(String(failure)).toContain(words);
  });
});
