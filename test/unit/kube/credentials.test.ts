import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { explainError, hasCode } from "../../../core/mod.ts";
import { loadCredentials } from "../../../kube/credentials.ts";
import { createKubeClient, NODES } from "../../../kube/mod.ts";
import { json, type StandIn, startStandIn } from "../../support/api-stand-in.ts";
import { type Certificates, makeCertificates } from "../../support/certificates.ts";

let folder: string;
let pem: Certificates;
/** Speaks TLS, asks for a client certificate and answers with what it learned about the caller. */
let api: StandIn;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "kubeconfig-"));
  pem = makeCertificates(folder, "api.test");
  const { cert, key } = pem.server;
  const server = createServer({ cert, key, ca: pem.ca.cert, requestCert: true, rejectUnauthorized: false });
  api = await startStandIn(({ headers }, response) => {
    const socket = response.socket as TLSSocket;
    const annotations = {
      authorization: headers.authorization ?? "",
      user: headers["impersonate-user"] ?? "",
      certificate: socket.authorized ? String(socket.getPeerCertificate().subject.CN) : "",
      serverName: String(socket.servername || ""),
    };
    json(response, { metadata: { name: "node1", annotations } });
  }, server);
});
afterAll(async () => {
  await api[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const base64 = (text: string) => Buffer.from(text).toString("base64");
const port = () => new URL(api.url).port;

/** The file as `kubectl config` writes it, from the lines that differ. */
function write(cluster: string[], user: string[], name = "config"): string {
  const path = join(folder, name);
  const text = `apiVersion: v1
clusters:
- cluster:
${cluster.map((line) => `    ${line}\n`).join("")}  name: lab
contexts:
- context:
    cluster: lab
    user: me
  name: c
current-context: c
kind: Config
preferences: {}
users:
- name: me
  user:
${user.map((line) => `    ${line}\n`).join("") || "    {}\n"}`;
  writeFileSync(path, text);
  return path;
}

const server = () => `server: https://127.0.0.1:${port()}`;
const authority = () => `certificate-authority-data: ${base64(pem.ca.cert)}`;

/** What the API server learned about a client with this kubeconfig. */
async function seenBy(kubeconfig: string) {
  const node = await createKubeClient({ kubeconfig, userAgent: "test" }).get(NODES, { name: "node1" });
  return node?.metadata?.annotations;
}

describe("createKubeClient()", () => {
  test("shows a client certificate from data, and trusts the authority in the data", async () => {
    const user = [`client-certificate-data: ${base64(pem.client.cert)}`, `client-key-data: ${base64(pem.client.key)}`];
    expect(await seenBy(write([server(), authority()], user))).toMatchObject({ certificate: "node1" });
  });

  test("shows a client certificate from files named relative to the kubeconfig", async () => {
    const cluster = [server(), "certificate-authority: ca.crt"];
    const user = ["client-certificate: client.crt", "client-key: client.key"];
    expect(await seenBy(write(cluster, user))).toMatchObject({ certificate: "node1" });
  });

  test("shows a token", async () => {
    const seen = await seenBy(write([server(), authority()], ["token: abc"]));
    expect(seen).toMatchObject({ authorization: "Bearer abc", certificate: "" });
  });

  test("shows a name and password, and whom it acts for", async () => {
    const seen = await seenBy(write([server(), authority()], ["username: me", "password: secret", "as: jane"]));
    expect(seen).toMatchObject({ authorization: `Basic ${base64("me:secret")}`, user: "jane" });
  });

  test("takes a token from a file, and without the newline", async () => {
    writeFileSync(join(folder, "token"), "from-file\n");
    const seen = await seenBy(write([server(), authority()], ["tokenFile: token"]));
    expect(seen).toMatchObject({ authorization: "Bearer from-file" });
  });

  test("runs a login program, with what kubectl tells one", async () => {
    const credential = { kind: "ExecCredential", status: { token: "$GREETING-$KUBERNETES_EXEC_INFO" } };
    const script = `printf '%s' '${JSON.stringify(credential)}' | sed "s/[$]GREETING/$GREETING/; s/[$]KUBERNETES_EXEC_INFO/\${#KUBERNETES_EXEC_INFO}/"`;
    const user = [
      "exec:",
      "  apiVersion: client.authentication.k8s.io/v1",
      `  args: ["-c", ${JSON.stringify(script)}]`,
      "  command: sh",
      "  env: [{name: GREETING, value: hello}]",
      "  provideClusterInfo: false",
    ];
    const info = {
      apiVersion: "client.authentication.k8s.io/v1",
      kind: "ExecCredential",
      spec: { interactive: false },
    };
    const seen = await seenBy(write([server(), authority()], user));
    expect(seen).toMatchObject({ authorization: `Bearer hello-${JSON.stringify(info).length}` });
  });

  test("trusts anybody when told to skip the check", async () => {
    expect(await seenBy(write([server(), "insecure-skip-tls-verify: true"], ["token: abc"]))).toBeDefined();
  });

  test("asks for the server by the name given", async () => {
    const seen = await seenBy(write([server(), authority(), "tls-server-name: api.test"], []));
    expect(seen).toMatchObject({ serverName: "api.test" });
  });

  test.each([
    { name: "an authority that is not trusted", cluster: [], why: "self-signed certificate in certificate chain" },
    { name: "another name", cluster: ["tls-server-name: other.test"], why: "other.test" },
  ])("does not talk to a server with $name", async ({ cluster, why }) => {
    const lines = cluster.length === 0 ? [server()] : [server(), authority(), ...cluster];
    const error = await seenBy(write(lines, ["token: abc"])).catch((reason: unknown) => reason);
    expect(hasCode(error, "IB_API_UNREACHABLE")).toBe(true);
    expect(explainError(error)).toContain(why);
  });

  test("says whose login program failed, and how", async () => {
    const user = ["exec:", "  apiVersion: client.authentication.k8s.io/v1", "  command: /nonexistent"];
    const error = await seenBy(write([server(), authority()], user)).catch((reason: unknown) => reason);
    expect(hasCode(error, "IB_OPTION_INVALID")).toBe(true);
    expect(explainError(error)).toBe('get nodes node1: no credentials for user "me": spawn /nonexistent ENOENT');
  });
});

describe("loadCredentials()", () => {
  const home = () => ({ HOME: folder });
  const insecure = (url: string) => [`server: ${url}`, "insecure-skip-tls-verify: true"];

  beforeEach(() => rmSync(join(folder, ".kube"), { recursive: true, force: true }));

  test("takes the path, else $KUBECONFIG, else the pod's service account, else ~/.kube/config", () => {
    mkdirSync(join(folder, ".kube"));
    write(insecure("http://home:1"), [], ".kube/config");
    const path = write(insecure("http://path:1"), [], "path");
    const env = { ...home(), KUBECONFIG: write(insecure("http://env:1"), [], "env") };
    expect(loadCredentials({ kubeconfig: path }, env).server.host).toBe("path:1");
    expect(loadCredentials({}, env).server.host).toBe("env:1");
    expect(loadCredentials({}, home()).server.host).toBe("home:1");
    const pod = { ...home(), KUBERNETES_SERVICE_HOST: "fd00::1", KUBERNETES_SERVICE_PORT: "443" };
    expect(() => loadCredentials({}, pod)).toThrowError('certificate-authority of cluster "in-cluster"');
  });

  test("says where it looked when there is nothing", () => {
    expect(() => loadCredentials({}, home())).toThrowError(/no credentials.*\$KUBECONFIG is not set.*\.kube\/config/);
  });

  test("merges the files of $KUBECONFIG, the first word wins", () => {
    const first = join(folder, "first");
    writeFileSync(first, "current-context: c\nusers: [{name: me, user: {token: first}}]\n");
    const second = write(insecure("http://second:1"), ["token: second"], "second");
    expect(loadCredentials({}, { KUBECONFIG: `${first}:${second}` }).server.host).toBe("second:1");
  });

  test("forget() reads a token file again at once", async () => {
    writeFileSync(join(folder, "rotated"), "old");
    const credentials = loadCredentials({ kubeconfig: write([server()], ["tokenFile: rotated"]) });
    const token = async () => (await credentials.authenticate()).headers.Authorization;
    expect(await token()).toBe("Bearer old");
    writeFileSync(join(folder, "rotated"), "new");
    expect(await token()).toBe("Bearer old");
    credentials.forget();
    expect(await token()).toBe("Bearer new");
  });

  test.each([
    { name: "no file", text: undefined, why: "ENOENT" },
    { name: "no YAML", text: "a: [", why: "kubeconfig" },
    { name: "an empty file", text: "", why: "the input is empty" },
    { name: "no current context", text: "clusters: []", why: "current-context is not set" },
    {
      name: "a context that is not there",
      text: "current-context: x",
      why: 'there is no context "x" (there is: none)',
    },
    {
      name: "a cluster without a server",
      text: "clusters: [{name: lab, cluster: {}}]",
      why: "clusters[0].cluster.server is missing",
    },
    {
      name: "a server that is no URL",
      text: config("server: 10.0.0.1"),
      why: 'server of cluster "lab" is "10.0.0.1", want https://HOST:PORT',
    },
    { name: "a proxy", text: config("server: https://a, proxy-url: http://p"), why: 'proxy-url of cluster "lab"' },
    {
      name: "data that is no certificate",
      text: config("server: https://a, certificate-authority-data: aGVsbG8="),
      why: 'certificate-authority of cluster "lab": the data holds no PEM block',
    },
    {
      name: "a certificate file that is not there",
      text: config("server: https://a, certificate-authority: none.crt"),
      why: "none.crt",
    },
  ])("refuses $name", ({ text, why }) => {
    const path = join(folder, "broken");
    rmSync(path, { force: true });
    if (text !== undefined) writeFileSync(path, text);
    const error = thrownBy(() => loadCredentials({ kubeconfig: path }));
    expect(hasCode(error, "IB_OPTION_INVALID")).toBe(true);
    expect(explainError(error)).toContain(why);
  });
});

function config(cluster: string): string {
  return `current-context: c
contexts: [{name: c, context: {cluster: lab, user: me}}]
users: [{name: me, user: {token: t}}]
clusters: [{name: lab, cluster: {${cluster}}}]`;
}

function thrownBy(attempt: () => unknown): unknown {
  try {
    attempt();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

describe("createKubeClient() as the service account of a pod", () => {
  /** What the kubelet mounts. */
  function serviceAccount(authority: string): string {
    const path = mkdtempSync(join(folder, "service-account-"));
    writeFileSync(join(path, "ca.crt"), authority);
    writeFileSync(join(path, "token"), "first\n");
    return path;
  }
  const pemOf = (name: string) => makeCertificates(mkdtempSync(join(folder, "named-")), name);
  /** What the API server at `host` learned about the pod. */
  async function seenFrom(host: string, serverPort: string, authority: string) {
    const options = { server: `https://${host}:${serverPort}`, serviceAccount: serviceAccount(authority) };
    const node = await createKubeClient({ ...options, userAgent: "test" }).get(NODES, { name: "node1" });
    return node?.metadata?.annotations;
  }

  test("shows its token at the server it is told", async () => {
    expect(await seenFrom("127.0.0.1", port(), pem.ca.cert)).toMatchObject({ authorization: "Bearer first" });
  });

  test("takes the name of the Service in the certificate for any address", async () => {
    const { ca, server } = pemOf("kubernetes.default.svc");
    const { cert, key } = server;
    const answer = { metadata: { name: "node1", annotations: { reached: "yes" } } };
    await using other = await startStandIn((_request, response) => json(response, answer), createServer({ cert, key }));
    expect(await seenFrom("localhost", new URL(other.url).port, ca.cert)).toEqual({ reached: "yes" });
  });

  test("refuses a certificate of another authority", async () => {
    const asked = seenFrom("127.0.0.1", port(), pemOf("kubernetes.default.svc").ca.cert);
    await expect(asked).rejects.toSatisfy((error: unknown) => explainError(error).includes("certificate"));
  });

  test("refuses a certificate for neither the address nor the Service", async () => {
    const asked = seenFrom("localhost", port(), pem.ca.cert);
    await expect(asked).rejects.toSatisfy((error: unknown) => explainError(error).includes("Host: localhost"));
  });
});
