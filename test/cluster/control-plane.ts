import { join } from "node:path";
import { keyPair, printKubeconfig } from "./pki.ts";
import { API_PORT, CHECKOUT, type ClusterPlan } from "./plan.ts";
import { type Unit, writeOnDisk, writeUnits } from "./unit.ts";

/** Writes what the first node's machine needs to be the control plane: units and the kubeconfigs they use. */
export async function writeControlPlane(plan: ClusterPlan): Promise<void> {
  const { controlPlane } = plan;
  const server = apiUrl(plan);
  for (const owner of ["controller-manager", "scheduler"] as const) {
    await writeOnDisk(controlPlane, `/etc/kubernetes/${owner}.conf`, await printKubeconfig(plan, owner, server));
  }
  await writeUnits(controlPlane, [etcd(), apiServer(plan), controllerManager(plan), scheduler()]);
}

/** Where everything in the LAN reaches the API server. */
export function apiUrl({ controlPlane }: ClusterPlan): string {
  return `https://${controlPlane.address}:${API_PORT}`;
}

/** Only the API server talks to it, over loopback. A test cluster's data need not survive a power cut. */
function etcd(): Unit {
  return {
    name: "etcd",
    program: join(CHECKOUT.bin, "etcd"),
    args: ["--data-dir=/var/lib/etcd", "--unsafe-no-fsync", "--log-level=warn"],
  };
}

function apiServer(plan: ClusterPlan): Unit {
  const ca = keyPair(plan, "ca");
  const own = keyPair(plan, "api-server");
  const kubeletClient = keyPair(plan, "api-server-kubelet-client");
  const serviceAccounts = keyPair(plan, "service-accounts");
  const frontProxy = keyPair(plan, "front-proxy");
  return {
    name: "kube-apiserver",
    program: join(CHECKOUT.bin, "kube-apiserver"),
    args: [
      "--etcd-servers=http://127.0.0.1:2379",
      `--advertise-address=${plan.controlPlane.address}`,
      `--secure-port=${API_PORT}`,
      `--service-cluster-ip-range=${plan.ranges.map(({ services }) => services)}`,
      "--authorization-mode=Node,RBAC",
      "--enable-admission-plugins=NodeRestriction",
      "--allow-privileged=true",
      "--kubelet-preferred-address-types=InternalIP",
      `--client-ca-file=${ca.cert}`,
      `--tls-cert-file=${own.cert}`,
      `--tls-private-key-file=${own.key}`,
      `--kubelet-certificate-authority=${ca.cert}`,
      `--kubelet-client-certificate=${kubeletClient.cert}`,
      `--kubelet-client-key=${kubeletClient.key}`,
      "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
      `--service-account-key-file=${serviceAccounts.cert}`,
      `--service-account-signing-key-file=${serviceAccounts.key}`,
      `--proxy-client-cert-file=${frontProxy.cert}`,
      `--proxy-client-key-file=${frontProxy.key}`,
      `--requestheader-client-ca-file=${ca.cert}`,
      "--requestheader-allowed-names=front-proxy-client",
      "--requestheader-extra-headers-prefix=X-Remote-Extra-",
      "--requestheader-group-headers=X-Remote-Group",
      "--requestheader-username-headers=X-Remote-User",
    ],
  };
}

function controllerManager(plan: ClusterPlan): Unit {
  const ca = keyPair(plan, "ca");
  return {
    name: "kube-controller-manager",
    program: join(CHECKOUT.bin, "kube-controller-manager"),
    args: [
      "--kubeconfig=/etc/kubernetes/controller-manager.conf",
      "--leader-elect=false",
      "--allocate-node-cidrs=true",
      `--cluster-cidr=${plan.ranges.map(({ pods }) => pods)}`,
      `--service-cluster-ip-range=${plan.ranges.map(({ services }) => services)}`,
      "--use-service-account-credentials=true",
      `--root-ca-file=${ca.cert}`,
      `--cluster-signing-cert-file=${ca.cert}`,
      `--cluster-signing-key-file=${ca.key}`,
      `--service-account-private-key-file=${keyPair(plan, "service-accounts").key}`,
    ],
  };
}

function scheduler(): Unit {
  return {
    name: "kube-scheduler",
    program: join(CHECKOUT.bin, "kube-scheduler"),
    args: ["--kubeconfig=/etc/kubernetes/scheduler.conf", "--leader-elect=false"],
  };
}
