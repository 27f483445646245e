export { RULE_HOMES, type RuleHome, removeKubeProxy, removeRules } from "./cleanup.ts";
export type { ProxyMode } from "./data-plane.ts";
export { SLICE_INDEXES } from "./desired.ts";
export { type Kernel, kernelOf } from "./kernel.ts";
export { type Proxy, type ProxyOptions, startProxy } from "./reconcile.ts";
