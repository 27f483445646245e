import { describe, expect, test } from "vitest";
import { hasCode } from "../../../../core/mod.ts";
import { architectureOf } from "../../../../tools/image/architecture.ts";

describe("architectureOf()", () => {
  const cases = [
    { node: "x64", want: { name: "amd64", node: "x64", koffi: "linux_x64" } },
    { node: "arm64", want: { name: "arm64", node: "arm64", koffi: "linux_arm64" } },
  ] as const;
  test.each(cases)("knows Node's $node by its other names", ({ node, want }) => {
    expect(architectureOf(node)).toEqual(want);
  });

  test("refuses a processor there is no image for", () => {
    const attempt = () => architectureOf("riscv64");
    expect(attempt).toThrowError(expect.toSatisfy((error: unknown) => hasCode(error, "IB_BUILD_FAILED")));
  });
});
