import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { exec } from "../../../linux/mod.ts";

/** A program to start: its path, environment and standard input. */
export interface Job {
  readonly path: string;
  readonly env: Readonly<Record<string, string>>;
  readonly input: string;
}

export interface Ended {
  /** Milliseconds since the first of all was started. */
  readonly until: number;
  readonly output: string;
}

export interface Starter {
  /** Starts all jobs at once in the namespace `netns` (a name), and waits for all. Rejects when one fails. */
  run(netns: string, jobs: readonly Job[]): Promise<readonly Ended[]>;
}

/** Builds what starts programs as cheaply as a container runtime does: from this process a start takes 2 to 6 ms. */
export async function buildStarter(directory: string): Promise<Starter> {
  const program = join(directory, "start-together");
  const source = join(import.meta.dirname, "start-together.c");
  await exec(process.env.CC ?? "cc", ["-O2", "-Wall", "-Wextra", "-Werror", "-o", program, source]);
  const jobsIn = join(directory, "jobs");
  mkdirSync(jobsIn);
  return {
    run: async (netns, jobs) => {
      for (const [i, { path, env, input }] of jobs.entries()) {
        const variables = Object.entries({ PROGRAM: path, ...env }).map(([name, value]) => `${name}=${value}\0`);
        writeFileSync(join(jobsIn, `${i}.env`), variables.join(""));
        writeFileSync(join(jobsIn, `${i}.in`), input);
      }
      const args = ["netns", "exec", netns, program, jobsIn, String(jobs.length)];
      const lines = (await exec("ip", args, { timeout: 300_000 })).trimEnd().split("\n");
      return jobs.map(({ path, env }, i) => {
        const [exit, until] = (lines[i] ?? "").split(" ").map(Number);
        const output = readFileSync(join(jobsIn, `${i}.out`), "utf8");
        if (exit !== 0 || until === undefined) throw new Error(`${path} ${env.CNI_COMMAND ?? ""}: ${output}`);
        return { until, output };
      });
    },
  };
}
