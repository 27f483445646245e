import { existsSync } from "node:fs";
import { join } from "node:path";

/** A real kube-proxy, to compare with and to take over from. */
const KUBE_PROXY = join(import.meta.dirname, "..", "..", "..", "dist", "cluster", "bin", "kube-proxy");

/** What to do where there is none. */
export const KUBE_PROXY_REMEDY = "test/cluster/tools/build builds kube-proxy; the first time takes minutes";

export function hasKubeProxy(): boolean {
  return existsSync(KUBE_PROXY);
}

/** The command line of kube-proxy on the lab's node, with an API server that asks for no credentials. */
export function kubeProxyCommand(mode: string, apiServer: string): string[] {
  return [
    KUBE_PROXY,
    `--master=${apiServer}`,
    `--proxy-mode=${mode}`,
    "--cluster-cidr=10.244.0.0/16",
    "--hostname-override=node1",
    "--conntrack-max-per-core=0", // the limits of the whole computer are not this program's to set
    "--conntrack-min=0",
    "--conntrack-tcp-timeout-established=0s",
    "--conntrack-tcp-timeout-close-wait=0s",
  ];
}
