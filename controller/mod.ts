export { type Controller, type ControllerDeps, startController } from "./controller.ts";
export { type PodCidrSettings, podCidrMistake } from "./pod-cidrs.ts";
export { startWebhook, type Webhook, type WebhookDeps } from "./webhook/webhook.ts";
