import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { hasCode } from "../../../core/mod.ts";
import { refusalStatus } from "../../../kube/mod.ts";
import { createLineSplitter, parseWatchLine } from "../../../kube/watch-stream.ts";

describe("createLineSplitter()", () => {
  test("gives the same lines however the text is cut", () => {
    const line = fc.string({ unit: "binary" }).filter((text) => !text.includes("\n") && text.trim() !== "");
    fc.assert(
      fc.property(fc.array(line), fc.string(), fc.array(fc.nat()), (lines, tail, cuts) => {
        const rest = tail.replaceAll("\n", "");
        const text = lines.map((one) => `${one}\n`).join("") + rest;
        const splitter = createLineSplitter();
        const got = pieces(text, cuts).flatMap((piece) => splitter.push(piece));
        expect(got).toEqual(lines);
        expect(splitter.rest).toBe(rest);
      }),
    );
  });

  test("skips empty lines", () => {
    const splitter = createLineSplitter();
    expect(splitter.push("\n\r\na\n\n")).toEqual(["a"]);
  });
});

describe("parseWatchLine()", () => {
  const object = { metadata: { name: "web", resourceVersion: "7" } };

  test.each(["ADDED", "MODIFIED", "DELETED"])("reads %s", (type) => {
    expect(parseWatchLine("watch services", JSON.stringify({ type, object }))).toEqual({ type, object });
  });

  test("reads a bookmark as its version", () => {
    expect(parseWatchLine("watch services", JSON.stringify({ type: "BOOKMARK", object }))).toEqual({
      type: "BOOKMARK",
      resourceVersion: "7",
    });
  });

  test("throws the refusal of an ERROR event with its code", () => {
    const status = { kind: "Status", code: 410, reason: "Expired", message: "too old resource version: 3 (9)" };
    const error = thrownBy(() => parseWatchLine("watch services", JSON.stringify({ type: "ERROR", object: status })));
    expect(refusalStatus(error)).toBe(410);
    expect(error).toMatchObject({
      code: "IB_API_REFUSED",
      message: "watch services: HTTP 410 Expired: too old resource version: 3 (9)",
    });
  });

  test.each([
    "",
    "{",
    "null",
    "7",
    "[]",
    '{"type":"ADDED"}',
    '{"type":"ADDED","object":null}',
    '{"type":"NEW","object":{}}',
  ])("throws for %j, which is no event", (line) => {
    const error = thrownBy(() => parseWatchLine("watch services", line));
    expect(hasCode(error, "IB_API_UNREACHABLE")).toBe(true);
  });
});

function pieces(text: string, cuts: readonly number[]): string[] {
  const places = [...new Set(cuts.map((cut) => cut % (text.length + 1)))].sort((a, b) => a - b);
  return [...places, text.length].map((end, i) => text.slice(places[i - 1] ?? 0, end));
}

function thrownBy(attempt: () => unknown): unknown {
  try {
    attempt();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}
