import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { exec } from "../../linux/mod.ts";
import { API_SERVICE_ADDRESS, addressesOf, type ClusterPlan } from "./plan.ts";

/** The files of a certificate and its key. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

/** Who the cluster's programs are, besides its nodes: the names that Kubernetes' RBAC rules know. */
const SUBJECTS = {
  "service-accounts": "/CN=service-accounts",
  "api-server": "/CN=kube-apiserver",
  "api-server-kubelet-client": "/O=system:masters/CN=kube-apiserver-kubelet-client",
  "front-proxy": "/CN=front-proxy-client",
  admin: "/O=system:masters/CN=kubernetes-admin",
  "controller-manager": "/CN=system:kube-controller-manager",
  scheduler: "/CN=system:kube-scheduler",
} as const;

/** The authority, or the owner of one of its certificates: a node by its name. */
export type KeyOwner = "ca" | keyof typeof SUBJECTS | `node${number}`;

export function keyPair(plan: ClusterPlan, owner: KeyOwner): KeyPair {
  return { cert: join(plan.pki, `${owner}.crt`), key: join(plan.pki, `${owner}.key`) };
}

/** Makes the authority and all certificates, good for thirty days. */
export async function makePki(plan: ClusterPlan): Promise<void> {
  await mkdir(plan.pki, { recursive: true });
  const make = async (owner: KeyOwner, subject: string, more: readonly string[]) => {
    const { cert, key } = keyPair(plan, owner);
    // An RSA key would take a hundred times as long.
    const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    const request = ["req", "-x509", ...newKey, "-days", "30", "-subj", subject];
    await exec("openssl", [...request, "-keyout", key, "-out", cert, ...more]);
  };
  const ca = keyPair(plan, "ca");
  const signed = (owner: KeyOwner, subject: string, names: readonly string[]) =>
    make(owner, subject, [
      ...["-CA", ca.cert, "-CAkey", ca.key, "-addext", "basicConstraints=critical,CA:FALSE"],
      ...(names.length === 0 ? [] : ["-addext", `subjectAltName=${names.join(",")}`]),
    ]);
  await make("ca", "/CN=ironbridge test cluster", []);
  await Promise.all([
    ...Object.entries(SUBJECTS).map(([owner, subject]) =>
      signed(owner as KeyOwner, subject, owner === "api-server" ? apiServerNames(plan) : []),
    ),
    ...plan.nodes.map((node) => {
      const names = [`DNS:${node.name}`, ...addressesOf(node).map((address) => `IP:${address}`)];
      return signed(node.name as KeyOwner, `/O=system:nodes/CN=system:node:${node.name}`, names);
    }),
  ]);
}

/** A kubeconfig that needs no other file. */
export async function printKubeconfig(plan: ClusterPlan, owner: KeyOwner, server: string): Promise<string> {
  const data = async (file: string) => (await readFile(file)).toString("base64");
  const { cert, key } = keyPair(plan, owner);
  const authority = await data(keyPair(plan, "ca").cert);
  const name = "ironbridge-cluster";
  const config = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name, cluster: { server, "certificate-authority-data": authority } }],
    users: [{ name, user: { "client-certificate-data": await data(cert), "client-key-data": await data(key) } }],
    contexts: [{ name, context: { cluster: name, user: name, namespace: "default" } }],
    "current-context": name,
  };
  return `${JSON.stringify(config, null, 2)}\n`;
}

function apiServerNames({ controlPlane }: ClusterPlan): readonly string[] {
  const service = "kubernetes.default.svc";
  return [
    ...["kubernetes", "kubernetes.default", service, `${service}.cluster.local`].map((name) => `DNS:${name}`),
    ...["127.0.0.1", API_SERVICE_ADDRESS, controlPlane.address].map((address) => `IP:${address}`),
  ];
}
