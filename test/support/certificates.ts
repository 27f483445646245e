import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** An authority, and what it has signed for a server on loopback and for a client; PEM texts, and the files they are in. */
export interface Certificates {
  readonly ca: Pem;
  readonly server: Pem;
  readonly client: Pem;
}

export interface Pem {
  readonly cert: string;
  readonly key: string;
  readonly certFile: string;
  readonly keyFile: string;
}

/** Makes new certificates in `folder`, good for two days, with openssl. The server is 127.0.0.1 and `serverName`. */
export function makeCertificates(folder: string, serverName: string): Certificates {
  const make = (name: string, subject: string, ...more: string[]): Pem => {
    const certFile = join(folder, `${name}.crt`);
    const keyFile = join(folder, `${name}.key`);
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", keyFile];
    const request = ["req", "-x509", ...key, "-out", certFile, "-subj", subject, "-days", "2", ...more];
    execFileSync("openssl", request, { stdio: "pipe" });
    return { cert: readFileSync(certFile, "utf8"), key: readFileSync(keyFile, "utf8"), certFile, keyFile };
  };
  const ca = make("ca", "/CN=test authority");
  const signed = ["-CA", ca.certFile, "-CAkey", ca.keyFile];
  const names = `subjectAltName=IP:127.0.0.1,DNS:${serverName}`;
  return {
    ca,
    server: make("server", "/CN=api server", ...signed, "-addext", names),
    client: make("client", "/O=system:nodes/CN=node1", ...signed),
  };
}
