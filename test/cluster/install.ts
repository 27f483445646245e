import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { waitFor } from "../support/wait.ts";
import type { Say } from "./cluster.ts";
import { importImage } from "./containerd.ts";
import { applyText, getObject, kubectl } from "./kubectl.ts";
import { CHECKOUT, type ClusterPlan } from "./plan.ts";
import { installReferenceCni } from "./reference-cni.ts";
import { moduleDirectory } from "./tools/module-directory.ts";
import { IRONBRIDGE, ironbridgeParts, type Variant } from "./variant.ts";

/** The namespace of each load balancer, where its pools are. */
export const NAMESPACE = { ironbridge: "ironbridge-system", metallb: "metallb-system" } as const;

/** Milliseconds until everything must run. */
const PATIENCE = 120_000;

/** Turns a bare cluster into one that works: installs who does which part, and DNS; returns when all of it is ready. */
export async function installVariant(plan: ClusterPlan, variant: Variant, say: Say): Promise<void> {
  if (variant.cni === "reference") await installReferenceCni(plan);
  if (variant.serviceProxy === "kube-proxy") await installKubeProxy(plan, variant);
  if (ironbridgeParts(variant).length > 0) await installIronbridge(plan, variant);
  if (variant.loadBalancer === "metallb") await installMetallb(plan);
  await applyText(plan, manifest("coredns.yaml"));
  say("everything applied");
  await waitForNodesReady(plan);
  say("nodes ready");
  await waitForPods(plan);
  await applyPool(plan, variant.loadBalancer);
}

/** deploy/install.yaml as it is; its ConfigMap is changed only for a variant that says otherwise. */
export async function installIronbridge(plan: ClusterPlan, variant: Variant): Promise<void> {
  await importIronbridge(plan);
  await kubectl(plan, ["apply", "-f", "-"], ironbridgeManifest(variant));
}

/** Gives all machines Ironbridge's image, as if they had pulled it. */
export async function importIronbridge(plan: ClusterPlan): Promise<void> {
  await Promise.all(plan.nodes.map((node) => importImage(node, plan.image)));
}

/** The text of deploy/install.yaml for a variant. */
export function ironbridgeManifest(variant: Variant): string {
  const text = readFileSync(CHECKOUT.installManifest, "utf8");
  const settings = settingsOf(variant);
  if (JSON.stringify(settings) === JSON.stringify(settingsOf(IRONBRIDGE))) return text;
  const documents = parseAllDocuments(text);
  for (const document of documents) {
    if (document.getIn(["kind"]) !== "ConfigMap" || document.getIn(["metadata", "name"]) !== "ironbridge") continue;
    for (const [key, value] of Object.entries(settings)) document.setIn(["data", key], value);
  }
  return documents.map(String).join("---\n");
}

/** What a variant decides of the ConfigMap. */
function settingsOf(variant: Variant): Readonly<Record<string, string>> {
  return {
    parts: ironbridgeParts(variant).join(","),
    "proxy-mode": variant.proxyMode,
    "routing-mode": variant.routingMode,
  };
}

export async function installKubeProxy(plan: ClusterPlan, variant: Variant): Promise<void> {
  const text = manifest("kube-proxy.yaml")
    .replace("mode: MODE", `mode: ${variant.proxyMode}`)
    .replace("clusterCIDR: PODS", `clusterCIDR: ${plan.ranges.map(({ pods }) => pods)}`);
  await applyText(plan, text);
}

/** MetalLB's published manifest, from its Go module. */
export async function installMetallb(plan: ClusterPlan): Promise<void> {
  await applyText(plan, readFileSync(metallbManifest(), "utf8"));
}

export function metallbManifest(): string {
  return join(moduleDirectory("go.universe.tf/metallb"), "config/manifests/metallb-native.yaml");
}

/** The sample pool. MetalLB's webhook refuses it until its controller is there. */
export async function applyPool(plan: ClusterPlan, loadBalancer: Variant["loadBalancer"]): Promise<void> {
  const text = manifest("pool.yaml")
    .replaceAll("NAMESPACE", NAMESPACE[loadBalancer])
    .replace("[RANGES]", `[${plan.ranges.map(({ pool }) => pool)}]`);
  const applied = async () => (await applyText(plan, text)) !== "";
  await waitFor("the pool to be accepted", applied, { deadline: PATIENCE, every: 500 });
}

interface Conditions {
  readonly metadata: { readonly name: string; readonly deletionTimestamp?: string };
  readonly status: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
}

export async function waitForNodesReady(plan: ClusterPlan, patience = PATIENCE): Promise<void> {
  await waitForReady(plan, ["nodes"], "all nodes to be ready", patience);
}

/** Waits until every pod of the cluster's own parts is ready, or of one namespace. */
export async function waitForPods(plan: ClusterPlan, namespace?: string, patience = PATIENCE): Promise<void> {
  const where = namespace === undefined ? ["--all-namespaces"] : ["-n", namespace];
  await waitForReady(plan, ["pods", ...where], `all pods in ${namespace ?? "all namespaces"} to be ready`, patience);
}

async function waitForReady(plan: ClusterPlan, what: readonly string[], words: string, patience: number) {
  const ready = async () => {
    const { items } = await getObject<{ items: readonly Conditions[] }>(plan, ...what);
    const waiting = items
      .filter(({ status }) => !status.conditions?.some(isReady))
      .map(({ metadata }) => metadata.name);
    if (waiting.length > 0) throw new Error(`not ready: ${waiting.join(", ")}`);
    return items.length > 0;
  };
  await waitFor(words, ready, { deadline: patience, every: 200 });
}

function isReady({ type, status }: { readonly type: string; readonly status: string }): boolean {
  return type === "Ready" && status === "True";
}

function manifest(name: string): string {
  return readFileSync(join(import.meta.dirname, "manifests", name), "utf8");
}
