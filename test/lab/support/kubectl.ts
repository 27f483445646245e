import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";

export interface Kubectl {
  /** Runs kubectl to its end and gives what it printed; rejects with its last words when it fails. */
  run(...args: readonly string[]): Promise<string>;
  /** The same with `input` on standard input, as `kubectl apply -f -` wants it. */
  feed(input: string, ...args: readonly string[]): Promise<string>;
  /** What kubectl said on standard error; rejects when it succeeds. */
  fail(input: string, ...args: readonly string[]): Promise<string>;
  /** Starts kubectl and leaves it running; `stop` ends it and gives what it printed. */
  start(...args: readonly string[]): { readonly printed: () => string; stop(): Promise<string> };
  /** Removes its files. */
  remove(): void;
}

/** kubectl with a home of its own that talks to the API at `url`. */
export function kubectlFor(url: string): Kubectl {
  const home = mkdtempSync(join(tmpdir(), "kubectl-"));
  const kubeconfig = join(home, "kubeconfig");
  const cluster = `clusters: [{name: lab, cluster: {server: "${url}"}}]`;
  const context = "contexts: [{name: lab, context: {cluster: lab, user: lab}}]";
  writeFileSync(kubeconfig, `${cluster}\n${context}\nusers: [{name: lab, user: {}}]\ncurrent-context: lab\n`);
  const options = {
    env: { HOME: home, KUBECONFIG: kubeconfig, KUBECACHEDIR: join(home, "cache"), EDITOR: "sed -i s/blue/green/" },
    timeout: 20_000,
  };
  const feed = async (input: string, ...args: readonly string[]) => {
    const { stdout, stderr } = await execa("kubectl", args, { ...options, input });
    return [stdout, stderr].filter((text) => text !== "").join("\n");
  };
  return {
    feed,
    run: (...args) => feed("", ...args),
    async fail(input, ...args) {
      const { failed, stderr } = await execa("kubectl", args, { ...options, input, reject: false });
      if (!failed) throw new Error(`kubectl ${args.join(" ")} succeeded`);
      return stderr;
    },
    start: (...args) => {
      let text = "";
      const child = execa("kubectl", args, { ...options, timeout: 60_000, reject: false, buffer: false });
      child.stdout.on("data", (piece: Buffer) => {
        text += piece;
      });
      return {
        printed: () => text,
        async stop() {
          child.kill();
          await child;
          return text;
        },
      };
    },
    remove: () => rmSync(home, { recursive: true, force: true }),
  };
}
