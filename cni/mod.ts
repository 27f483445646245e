export { removePodNetwork } from "./cleanup.ts";
export { type Cni, type CniOptions, startCni } from "./cni.ts";
export type { PodRoutes } from "./learned-routes.ts";
export { podPrefixes } from "./pod-network.ts";
