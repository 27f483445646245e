export type { Advertised } from "./defaults.ts";
export type { Faults, RequestChoice, RequestFacts } from "./faults.ts";
export type { ApiObject, Json, JsonObject } from "./json.ts";
export type { LogOptions, LogSource } from "./log-handler.ts";
export { type ApiServer, type ApiServerOptions, kubeClientOf, type Listen, startApiServer } from "./server.ts";
export type { ApiStore, Revision, StoreEvent } from "./store.ts";
