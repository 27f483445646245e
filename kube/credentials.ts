import { existsSync, readFileSync } from "node:fs";
import { isIPv6 } from "node:net";
import { homedir } from "node:os";
import { join } from "node:path";
import { checkServerIdentity, type PeerCertificate } from "node:tls";
// The library's small files by name: its index, and its KubeConfig class, load every model there is (90 MB, 0.4 s).
import type { Authenticator } from "@kubernetes/client-node/dist/auth.js";
import type { User } from "@kubernetes/client-node/dist/config_types.js";
import { ExecAuth } from "@kubernetes/client-node/dist/exec_auth.js";
import { FileAuth } from "@kubernetes/client-node/dist/file_auth.js";
import { IronbridgeError } from "../core/mod.ts";
import { type KubeLogin, readKubeconfigs } from "./kubeconfig.ts";

/** Where the API server is and how to show who is calling. */
export interface Credentials {
  /** Its path, if it has one, comes before every API path. */
  readonly server: URL;
  /**
   * What the next request needs.
   * @throws {IronbridgeError} IB_OPTION_INVALID when a file or a login program named in the kubeconfig fails.
   */
  authenticate(): Promise<Authentication>;
  /** The server didn't accept what authenticate() gave: the next one begins afresh. */
  forget(): void;
}

export interface Authentication {
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: TlsSettings;
}

/** The settings of node:tls that a kubeconfig can ask for. */
export interface TlsSettings {
  ca?: string | Buffer;
  cert?: string | Buffer;
  key?: string | Buffer;
  rejectUnauthorized?: boolean;
  servername?: string;
  checkServerIdentity?: typeof checkServerIdentity;
}

export interface CredentialSource {
  /** Path of a kubeconfig. */
  readonly kubeconfig?: string;
  /** URL by which the service account of a pod reaches the API server; without it the Service `kubernetes`. */
  readonly server?: string;
  /** Directory of the service account's token and ca.crt; where the kubelet mounts it unless given. */
  readonly serviceAccount?: string;
}

const SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";
/** The name of the Service `kubernetes`: in the certificate of every API server, whatever else it is called. */
const SERVICE_NAME = "kubernetes.default.svc";
/** Milliseconds after which certificates on disk are read again: they are renewed in place. */
const REREAD_AFTER = 60_000;

/**
 * Credentials from `kubeconfig`, else the service account of the pod at `server`, else $KUBECONFIG (paths joined with
 * colons), else the service account at the Service `kubernetes`, else ~/.kube/config.
 * @throws {IronbridgeError} IB_OPTION_INVALID when there is none or it can't be read.
 */
export function loadCredentials(source: CredentialSource = {}, env: NodeJS.ProcessEnv = process.env): Credentials {
  return credentialsOf(findLogin(source, env));
}

function findLogin(source: CredentialSource, env: NodeJS.ProcessEnv): KubeLogin {
  const { kubeconfig, server, serviceAccount = SERVICE_ACCOUNT } = source;
  if (kubeconfig !== undefined) return readKubeconfigs([kubeconfig]);
  if (server !== undefined) return podLogin(server, serviceAccount);
  const paths = (env.KUBECONFIG ?? "").split(":").filter((path) => path !== "");
  if (paths.length > 0) return readKubeconfigs(paths);
  const host = env.KUBERNETES_SERVICE_HOST;
  if (host !== undefined) return podLogin(serviceUrl(host, env), serviceAccount);
  const home = join(env.HOME ?? homedir(), ".kube", "config");
  if (existsSync(home)) return readKubeconfigs([home]);
  throw new IronbridgeError(
    "IB_OPTION_INVALID",
    `no credentials for the Kubernetes API: no --kubeconfig, $KUBECONFIG is not set, this is no pod, and there is no ${home}`,
  );
}

function serviceUrl(host: string, env: NodeJS.ProcessEnv): string {
  return `https://${isIPv6(host) ? `[${host}]` : host}:${env.KUBERNETES_SERVICE_PORT ?? "443"}`;
}

/** What the kubelet puts into every pod. */
function podLogin(server: string, folder: string): KubeLogin {
  return {
    cluster: { name: "in-cluster", server, caFile: join(folder, "ca.crt"), skipTLSVerify: false },
    user: {
      name: "service account",
      authProvider: { name: "tokenFile", config: { tokenFile: join(folder, "token") } },
    },
    alternativeName: SERVICE_NAME,
  };
}

function credentialsOf(login: KubeLogin): Credentials {
  const { cluster, user } = login;
  let authenticator: Promise<Authenticator | undefined> | undefined;
  let files: { readonly readAt: number; readonly tls: TlsSettings } | undefined;
  const tlsFromFiles = () => {
    if (files === undefined || performance.now() - files.readAt > REREAD_AFTER) {
      files = { readAt: performance.now(), tls: tlsSettings(login) };
    }
    return files.tls;
  };
  tlsFromFiles(); // a wrong path is told at start, not at the first request

  return {
    server: new URL(cluster.server),
    async authenticate() {
      // The authenticators write into the options of a request, the shape the library gave them.
      const options = { headers: fixedHeaders(user), ...tlsFromFiles() };
      try {
        authenticator ??= authenticatorOf(user);
        await (await authenticator)?.applyAuthentication(user, options);
      } catch (error) {
        throw new IronbridgeError("IB_OPTION_INVALID", `no credentials for user "${user.name}"`, { cause: error });
      }
      const { headers, ...tls } = options;
      if (headers.Authorization !== undefined) headers.Authorization = headers.Authorization.trim();
      return { headers, tls };
    },
    forget() {
      authenticator = undefined;
      files = undefined;
    },
  };
}

/** Headers that never change. */
function fixedHeaders({ token, username, password, impersonateUser }: User): Record<string, string> {
  const headers: Record<string, string> = {};
  if (username) headers.Authorization = `Basic ${Buffer.from(`${username}:${password ?? ""}`).toString("base64")}`;
  if (token) headers.Authorization = `Bearer ${token}`;
  if (impersonateUser) headers["Impersonate-User"] = impersonateUser;
  return headers;
}

/** The one that fetches or renews credentials, for users that need one. */
async function authenticatorOf(user: User): Promise<Authenticator | undefined> {
  const file = new FileAuth();
  if (file.isAuthProvider(user)) return file;
  const exec = new ExecAuth();
  if (exec.isAuthProvider(user)) return exec;
  if (!user.authProvider) return undefined;
  // OpenID Connect, for people at a keyboard: loaded only when asked for, since it brings the whole library.
  const { OpenIDConnectAuth } = await import("@kubernetes/client-node/dist/oidc_auth.js");
  const openId = new OpenIDConnectAuth();
  if (openId.isAuthProvider(user)) return openId;
  throw new IronbridgeError(
    "IB_OPTION_INVALID",
    `auth-provider "${user.authProvider.name}" is not supported, use exec`,
  );
}

function tlsSettings({ cluster, user, alternativeName }: KubeLogin): TlsSettings {
  const tls: TlsSettings = {};
  const ca = pem(`certificate-authority of cluster "${cluster.name}"`, cluster.caFile, cluster.caData);
  const cert = pem(`client-certificate of user "${user.name}"`, user.certFile, user.certData);
  const key = pem(`client-key of user "${user.name}"`, user.keyFile, user.keyData);
  if (ca !== undefined) tls.ca = ca;
  if (cert !== undefined) tls.cert = cert;
  if (key !== undefined) tls.key = key;
  if (cluster.skipTLSVerify) tls.rejectUnauthorized = false;
  if (cluster.tlsServerName) tls.servername = cluster.tlsServerName;
  if (alternativeName !== undefined) tls.checkServerIdentity = identityOr(alternativeName);
  return tls;
}

/** Accepts a certificate of the cluster's authority for the host or for `name`: the address may be known to the nodes only. */
function identityOr(name: string) {
  return (host: string, certificate: PeerCertificate): Error | undefined => {
    const wrong = checkServerIdentity(host, certificate);
    return wrong === undefined || checkServerIdentity(name, certificate) === undefined ? undefined : wrong;
  };
}

/** Data wins over a file, as in kubectl. */
function pem(what: string, file: string | undefined, data: string | undefined): Buffer | undefined {
  if (!data && !file) return undefined;
  const bytes = data ? Buffer.from(data, "base64") : readPem(what, file ?? "");
  if (bytes.includes("-----BEGIN ")) return bytes;
  throw new IronbridgeError("IB_OPTION_INVALID", `${what}: ${data ? "the data" : file} holds no PEM block`);
}

function readPem(what: string, file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new IronbridgeError("IB_OPTION_INVALID", what, { cause: error });
  }
}
