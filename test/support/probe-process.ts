import { Agent, get } from "node:http";
import { setPriority } from "node:os";

/**
 * Run inside a network namespace: asks `URL` every 10 ms and writes one line per answer: start time (since 1970) and
 * duration in ms, "ok" or "failed", and the body's first line or the error.
 *
 * node probe-process.ts URL new          each request on a connection of its own
 * node probe-process.ts URL established  all on one connection; ends when that connection does
 */
// What is measured is the way to the Service, not this process's wait for the processor.
setPriority(-20);
const [url = "", kind = "new"] = process.argv.slice(2);
const INTERVAL = 10;
const TIMEOUT = 2_000;
const agent = new Agent({ keepAlive: kind === "established", maxSockets: kind === "established" ? 1 : Infinity });
let connections = 0;

function ask(): void {
  const start = performance.now();
  const tell = (outcome: "ok" | "failed", text: string) => {
    const duration = performance.now() - start;
    const line = [(performance.timeOrigin + start).toFixed(1), duration.toFixed(1), outcome, text.split("\n")[0]];
    process.stdout.write(`${line.join(" ")}\n`);
  };
  const request = get(url, { agent, timeout: TIMEOUT }, (response) => {
    let body = "";
    response.on("data", (chunk) => (body += chunk));
    response.on("end", () => tell(response.statusCode === 200 ? "ok" : "failed", `${response.statusCode} ${body}`));
  });
  request.on("socket", (socket) => {
    if (kind !== "established" || !socket.connecting) return;
    if (++connections > 1) tell("failed", "the connection was lost and made anew");
  });
  request.on("timeout", () => request.destroy(new Error(`no answer in ${TIMEOUT} ms`)));
  request.on("error", (error) => tell("failed", error.message));
}

setInterval(ask, INTERVAL);
process.on("SIGTERM", () => process.exit(0));
