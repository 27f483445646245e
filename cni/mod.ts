export { type Cni, type CniOptions, startCni } from "./cni.ts";
