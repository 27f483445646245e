import { cp } from "node:fs/promises";
import { join } from "node:path";
import { stringify } from "yaml";
import { apiUrl } from "./control-plane.ts";
import { PAUSE_IMAGE } from "./image/catalogue.ts";
import { type KeyOwner, keyPair, printKubeconfig } from "./pki.ts";
import { addressesOf, CHECKOUT, type ClusterPlan, DNS_ADDRESS, type MachinePlan } from "./plan.ts";
import { writeOnDisk, writeUnits } from "./unit.ts";

/** Where Debian's package containernetworking-plugins has them. */
export const REFERENCE_PLUGINS = "/usr/lib/cni";

/** Writes what a machine needs to be a node: containerd, a kubelet, their configuration; but no CNI configuration. */
export async function writeNode(plan: ClusterPlan, node: MachinePlan): Promise<void> {
  const kubeconfig = await printKubeconfig(plan, node.name as KeyOwner, apiUrl(plan));
  await writeOnDisk(node, "/etc/kubernetes/kubelet.conf", kubeconfig);
  await writeOnDisk(node, "/var/lib/kubelet/config.yaml", stringify(kubeletConfig(plan, node)));
  await writeOnDisk(node, "/etc/kubernetes/containerd.toml", CONTAINERD);
  // containerd sets up a pod's loopback by this plugin, which every kubelet package brings along.
  await cp(join(REFERENCE_PLUGINS, "loopback"), join(node.disk, "opt/cni/bin/loopback"));
  await writeUnits(node, [
    { name: "containerd", program: "/usr/bin/containerd", args: ["--config=/etc/kubernetes/containerd.toml"] },
    {
      name: "kubelet",
      program: join(CHECKOUT.bin, "kubelet"),
      args: [
        "--config=/var/lib/kubelet/config.yaml",
        "--kubeconfig=/etc/kubernetes/kubelet.conf",
        `--hostname-override=${node.name}`,
        `--node-ip=${addressesOf(node)}`,
      ],
    },
  ]);
}

const CONTAINERD = `version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${PAUSE_IMAGE}"
  # This computer may not let anybody lower the score.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/opt/cni/bin"
    conf_dir = "/etc/cni/net.d"
`;

/** The settings below "cgroupDriver" are what a machine that shares its kernel and its disk with others needs. */
function kubeletConfig(plan: ClusterPlan, node: MachinePlan): object {
  const { cert, key } = keyPair(plan, node.name as KeyOwner);
  return {
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    kind: "KubeletConfiguration",
    authentication: {
      x509: { clientCAFile: keyPair(plan, "ca").cert },
      anonymous: { enabled: false },
      webhook: { enabled: true },
    },
    authorization: { mode: "Webhook" },
    tlsCertFile: cert,
    tlsPrivateKeyFile: key,
    clusterDNS: [DNS_ADDRESS],
    clusterDomain: "cluster.local",
    containerRuntimeEndpoint: "unix:///run/containerd/containerd.sock",
    ...(node === plan.controlPlane
      ? { registerWithTaints: [{ key: "node-role.kubernetes.io/control-plane", effect: "NoSchedule" }] }
      : {}),
    cgroupDriver: "cgroupfs",
    cgroupsPerQOS: false,
    enforceNodeAllocatable: [],
    failCgroupV1: false,
    failSwapOn: false,
    localStorageCapacityIsolation: false,
    evictionHard: { "memory.available": "50Mi", "nodefs.available": "1%", "imagefs.available": "1%" },
    imageGCHighThresholdPercent: 100,
    imageMinimumGCAge: "24h",
  };
}
