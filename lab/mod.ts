export { findAnnouncer } from "./announcer.ts";
export { type Cluster, watchCluster } from "./cluster.ts";
export { runCommand, runInHost } from "./command.ts";
export { startControllers } from "./controllers/mod.ts";
export { runKubectl, SAMPLES } from "./kubectl.ts";
export { startKubelet } from "./kubelet.ts";
export { type Lab, type LabMachine, type LabNode, type LabOptions, startLab } from "./lab.ts";
export { type LabDirectory, labDirectory } from "./lab-directory.ts";
export { askForProxyMode, followLabSettings, readLabSettings } from "./lab-settings.ts";
export { findServePid, removeLab, serveArguments } from "./remove-lab.ts";
export { CONFIG_MAPS, DEPLOYMENTS, REPLICA_SETS } from "./resource.ts";
export { runPluginOn } from "./sandbox.ts";
export {
  buildTopology,
  type LabHost,
  labNetnsNames,
  netnsPrefix,
  planTopology,
  removeTopology,
  type Topology,
} from "./topology.ts";
