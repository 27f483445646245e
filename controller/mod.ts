export { type Controller, type ControllerDeps, startController } from "./controller.ts";
export { startWebhook, type Webhook, type WebhookDeps } from "./webhook/webhook.ts";
