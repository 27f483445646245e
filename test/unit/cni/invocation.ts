import type { Invocation } from "../../../cni/frame.ts";

/** The request that cni/plugin.c sends for `env` and `stdin`. */
export function encodeInvocation({ env, stdin }: Invocation): Buffer {
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}\0`);
  const body = Buffer.from(`${variables.join("")}\0${stdin}`);
  const header = Buffer.from("ibc1\0\0\0\0");
  header.writeUInt32BE(body.length, 4);
  return Buffer.concat([header, body]);
}
