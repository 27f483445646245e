import { X509Certificate } from "node:crypto";
import { generate } from "selfsigned";

/** A certificate that is its own authority, and its key, as PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** Days. */
const LIFETIME = 365;
const RENEW_BEFORE = 90;
const DAY = 86_400_000;

/** @param names DNS names of the server, the first one as its common name. */
export async function makeCertificate(names: readonly string[], now: Date): Promise<Certificate> {
  const { cert, private: key } = await generate([{ name: "commonName", value: names[0]! }], {
    keyType: "ec",
    curve: "P-256",
    algorithm: "sha256",
    // A clock of another machine may be behind.
    notBeforeDate: new Date(now.getTime() - DAY),
    notAfterDate: new Date(now.getTime() + LIFETIME * DAY),
    extensions: [
      { name: "basicConstraints", cA: true, critical: true },
      { name: "keyUsage", digitalSignature: true, keyCertSign: true, critical: true },
      { name: "extKeyUsage", serverAuth: true },
      { name: "subjectAltName", altNames: names.map((value) => ({ type: 2, value })) },
    ],
  });
  return { cert, key };
}

/** True while `cert` is for all of `names` and has enough time left. */
export function stillGood(cert: string, names: readonly string[], now: Date): boolean {
  try {
    const parsed = new X509Certificate(cert);
    const enough = parsed.validToDate.getTime() - now.getTime() > RENEW_BEFORE * DAY;
    return enough && names.every((name) => parsed.checkHost(name) !== undefined);
  } catch {
    return false; // no certificate at all: a new one takes its place
  }
}
