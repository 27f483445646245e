export { type Cluster, watchCluster } from "./cluster.ts";
export { runInHost } from "./command.ts";
export { startControllers } from "./controllers/mod.ts";
export { startKubelet } from "./kubelet.ts";
export { type Lab, type LabMachine, type LabNode, type LabOptions, startLab } from "./lab.ts";
export { type LabDirectory, labDirectory } from "./lab-directory.ts";
export { CONFIG_MAPS, DEPLOYMENTS, REPLICA_SETS } from "./resource.ts";
export { runPluginOn } from "./sandbox.ts";
export { buildTopology, labNetnsNames, netnsPrefix, removeTopology, type Topology } from "./topology.ts";
