import { describe, expect, test } from "vitest";
import { ERROR_CODES, explainError, hasCode, IronbridgeError } from "../../../core/mod.ts";

const cause = new Error("EPERM (operation not permitted)");
const inner = new IronbridgeError("IB_KERNEL_REFUSED", "create bridge ironbr0", { cause });
const outer = new Error("bring up the pod network", { cause: inner });

describe("hasCode()", () => {
  test("finds a code behind a cause", () => expect(hasCode(outer, "IB_KERNEL_REFUSED")).toBe(true));
  test("does not find another code", () => expect(hasCode(outer, "IB_CONFIG_INVALID")).toBe(false));
  test("takes what is not an error", () => expect(hasCode("text", "IB_CONFIG_INVALID")).toBe(false));
});

describe("explainError()", () => {
  test("tells the whole story, outermost first", () => {
    expect(explainError(outer)).toBe(
      "bring up the pod network: create bridge ironbr0: EPERM (operation not permitted)",
    );
  });
  test("says nothing twice", () => {
    expect(explainError(new Error("a: b", { cause: new Error("b") }))).toBe("a: b");
  });
});

describe("ERROR_CODES", () => {
  test.each(Object.entries(ERROR_CODES))("%s has a remedy of one sentence", (code, remedy) => {
    expect(code).toMatch(/^IB_[A-Z]+(_[A-Z]+)+$/);
    expect(remedy).toMatch(/^[A-Z].*\.$/s);
  });
});
