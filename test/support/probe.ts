import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { waitFor } from "./wait.ts";

/** One request of a probe. Times are milliseconds, `start` since 1970 with fractions. */
export interface Answer {
  readonly start: number;
  readonly duration: number;
  readonly ok: boolean;
  readonly text: string;
}

export interface Probe {
  answers(): readonly Answer[];
  /** Waits until `count` more requests have been answered well. */
  succeed(count: number, deadline: number): Promise<void>;
  /** Ends the probe and gives all it saw. */
  stop(): Promise<readonly Answer[]>;
}

const SCRIPT = fileURLToPath(new URL("./probe-process.ts", import.meta.url));

/** Asks `url` a hundred times a second from inside a named network namespace. */
export function startProbe(netns: string, url: string, kind: "new" | "established" = "new"): Probe {
  const args = [`--net=/run/netns/${netns}`, process.execPath, SCRIPT, url, kind];
  const child = spawn("nsenter", args, { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const answers: Answer[] = [];
  let rest = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    answers.push(...lines.map(parseAnswer));
  });
  return {
    answers: () => answers,
    succeed: async (count, deadline) => {
      const seen = answers.length;
      const enough = () => answers.slice(seen).filter(({ ok }) => ok).length >= count;
      await waitFor(`${count} answers from ${url}`, enough, { deadline });
    },
    stop: async () => {
      child.kill("SIGTERM");
      await ended;
      return answers;
    },
  };
}

/** The longest time in which no good answer arrived, milliseconds: how long a client would say it was down. */
export function longestOutage(answers: readonly Answer[]): number {
  const arrivals = answers.filter(({ ok }) => ok).map(({ start, duration }) => start + duration);
  arrivals.sort((a, b) => a - b);
  return Math.max(0, ...arrivals.slice(1).map((arrival, i) => arrival - arrivals[i]!));
}

function parseAnswer(line: string): Answer {
  const [start, duration, outcome, ...text] = line.split(" ");
  return { start: Number(start), duration: Number(duration), ok: outcome === "ok", text: text.join(" ") };
}
