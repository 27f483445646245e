import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeOffloadMessage, encodeOffloadMessage } from "../../../cni/offload-message.ts";

const NONCE = "000102030405060708090a0b0c0d0e0f";

test("decodeOffloadMessage() reads what encodeOffloadMessage() wrote; an answer is as long as its question", () => {
  const messages = (["question", "answer"] as const).map((kind) => ({ kind, nonce: NONCE }));
  const [question, answer] = messages.map(encodeOffloadMessage);
  expect([question, answer].map((bytes) => decodeOffloadMessage(bytes!))).toEqual(messages);
  expect(answer).toHaveLength(question!.length);
});

test("decodeOffloadMessage() takes nothing else", () => {
  const good = encodeOffloadMessage({ kind: "question", nonce: NONCE });
  const spoilt = (place: number, octet: number) => Uint8Array.from(good, (old, i) => (i === place ? octet : old));
  for (const bytes of [new Uint8Array(), good.subarray(1), good.subarray(0, 20), spoilt(0, 0), spoilt(4, 2)]) {
    expect(decodeOffloadMessage(bytes)).toBeUndefined();
  }
  expect(decodeOffloadMessage(Uint8Array.of(...good, 0))).toBeUndefined();
  fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => decodeOffloadMessage(bytes) === undefined));
});
