export type { Advertised } from "./defaults.ts";
export type { RequestChoice, RequestFacts } from "./faults.ts";
export { Faults } from "./faults.ts";
export type { ApiObject, Json, JsonObject } from "./json.ts";
export type { LogOptions, LogSource } from "./log-handler.ts";
export { type ApiServer, type ApiServerOptions, kubeClientOf, type Listen, startApiServer } from "./server.ts";
export { ApiStore, type Revision, type StoreEvent } from "./store.ts";
