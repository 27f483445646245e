export { chartFiles } from "./chart.ts";
export { installedObjects, printInstall } from "./install.ts";
export type { Manifest } from "./manifest.ts";
export type { Component } from "./names.ts";
export type { Rule } from "./rbac.ts";
export { withTables } from "./settings-table.ts";
