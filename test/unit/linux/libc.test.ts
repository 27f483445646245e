import { describe, expect, test } from "vitest";
import { explainError, hasCode } from "../../../core/mod.ts";
import { check, hasErrno, kernelError, socket } from "../../../linux/libc.ts";

describe("check()", () => {
  test("gives the value of a call that worked", () => expect(check(3, "open a socket")).toBe(3));

  test("turns a refusal into an error that names the request, the number's name and its words", () => {
    const attempt = () => check(socket(99, 1, 0), "open a socket");
    expect(attempt).toThrow("open a socket: EAFNOSUPPORT (address family not supported by protocol)");
    expect(attempt).toThrow(expect.toSatisfy((error: unknown) => hasCode(error, "IB_KERNEL_REFUSED")));
    expect(attempt).toThrow(expect.toSatisfy((error: unknown) => hasErrno(error, "EAFNOSUPPORT")));
  });
});

describe("kernelError()", () => {
  test("adds the kernel's own words and is explained on one line", () => {
    const error = kernelError("create veth ib-abc", 17, "veth exists");
    expect(explainError(error)).toBe("create veth ib-abc: EEXIST (file exists): veth exists");
    expect(hasErrno(error, "ENODEV")).toBe(false);
  });
});
