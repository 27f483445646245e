/** What agents send each other through the tunnel, to see whether it arrives. An answer is as long as its question. */
export interface OffloadMessage {
  readonly kind: "question" | "answer";
  /** 32 hexadecimal digits drawn by who asks: an answer proves that its question has arrived. */
  readonly nonce: string;
}

/** magic 4, kind 1, nonce 16 octets. */
const MAGIC = Buffer.from("IBO1");
const LENGTH = 21;
const KINDS = ["question", "answer"] as const;

export function encodeOffloadMessage({ kind, nonce }: OffloadMessage): Uint8Array {
  return Buffer.concat([MAGIC, Uint8Array.of(KINDS.indexOf(kind)), Buffer.from(nonce, "hex")]);
}

/** Undefined for anything else. */
export function decodeOffloadMessage(bytes: Uint8Array): OffloadMessage | undefined {
  const buffer = Buffer.from(bytes);
  const kind = KINDS[buffer[4] ?? KINDS.length];
  if (buffer.length !== LENGTH || !buffer.subarray(0, 4).equals(MAGIC) || kind === undefined) return undefined;
  return { kind, nonce: buffer.toString("hex", 5) };
}
