export { type Controller, type ControllerDeps, startController } from "./controller.ts";
