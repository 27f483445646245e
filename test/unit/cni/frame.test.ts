import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CniError, CniErrorCode } from "../../../cni/cni-error.ts";
import { decodeHeader, decodeInvocation, encodeAnswer, failureAnswer, MAX_FRAME } from "../../../cni/frame.ts";
import { encodeInvocation } from "./invocation.ts";

describe("decodeHeader()", () => {
  test("refuses what another program says, with a clear sentence", () => {
    expect(() => decodeHeader(Buffer.from("GET / HTTP/1.1"))).toThrow("speaks only with the plugin ironbridge-cni");
  });

  test("refuses a body larger than allowed, naming both sizes", () => {
    const header = Buffer.from("ibc1\0\0\0\0");
    header.writeUInt32BE(MAX_FRAME + 1, 4);
    expect(() => decodeHeader(header)).toThrow(`${MAX_FRAME + 1} octets, the largest allowed is ${MAX_FRAME}`);
  });
});

describe("decodeInvocation()", () => {
  test("reads what the plugin sends", () => {
    const variable = fc.string({ unit: "grapheme" }).filter((text) => !text.includes("\0"));
    const env = fc.dictionary(fc.stringMatching(/^CNI_[A-Z]{1,8}$/), variable, { noNullPrototype: true });
    fc.assert(
      fc.property(env, fc.string({ unit: "grapheme" }), (variables, stdin) => {
        const bytes = encodeInvocation({ env: variables, stdin });
        expect(decodeHeader(bytes)).toBe(bytes.length - 8);
        expect(decodeInvocation(bytes.subarray(8))).toEqual({ env: variables, stdin });
      }),
    );
  });

  test("ignores variables that are not of CNI", () => {
    expect(decodeInvocation(Buffer.from("PATH=/bin\0CNI_COMMAND=DEL\0\0{}")).env).toEqual({ CNI_COMMAND: "DEL" });
  });

  test("gives an invocation or a CNI error for any octets", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        try {
          decodeInvocation(Buffer.from(bytes));
        } catch (error) {
          expect(error).toBeInstanceOf(CniError);
        }
      }),
    );
  });
});

test("encodeAnswer() puts the length, the exit code and the text in a row", () => {
  expect(encodeAnswer({ exit: 1, stdout: "ab" }).toString("latin1")).toBe("ibc1\0\0\0\x03\x01ab");
});

describe("failureAnswer()", () => {
  test("tells code, sentence and details", () => {
    const error = new CniError(CniErrorCode.TryAgainLater, "later", { details: "why" });
    expect(JSON.parse(failureAnswer(error, "1.0.0").stdout)).toEqual({
      cniVersion: "1.0.0",
      code: 11,
      msg: "later",
      details: "why",
    });
  });

  test("gives any other error code 999 and its causes", () => {
    const error = new Error("outer", { cause: new Error("inner") });
    expect(JSON.parse(failureAnswer(error, "1.0.0").stdout)).toEqual({
      cniVersion: "1.0.0",
      code: 999,
      msg: "outer: inner",
    });
  });
});
