export { type Cni, type CniOptions, startCni } from "./cni.ts";
export { ROUTING_MODES, type RoutingMode } from "./routes.ts";
