import type { IncomingMessage } from "node:http";

/** What a fault looks at to choose the requests it hits. */
export interface RequestFacts {
  readonly method: string;
  /** Path without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly userAgent: string;
}

export type RequestChoice = (request: RequestFacts) => boolean;

/** Ways to make the server misbehave on purpose, for tests. Each returns the way to stop it. */
export class Faults {
  readonly #failing = new Set<{ readonly chooses: RequestChoice; readonly status: number }>();
  readonly #hanging = new Set<{ readonly chooses: RequestChoice; readonly released: Promise<void> }>();

  /** Answers the chosen requests with `status` and does nothing else for them. */
  fail(chooses: RequestChoice, status: number): () => void {
    const fault = { chooses, status };
    this.#failing.add(fault);
    return () => void this.#failing.delete(fault);
  }

  /** Holds the chosen requests unanswered until the returned function is called. */
  hang(chooses: RequestChoice): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    const fault = { chooses, released: promise };
    this.#hanging.add(fault);
    return () => {
      this.#hanging.delete(fault);
      resolve();
    };
  }

  /** Resolves once nothing holds the request any more, with the status it is to fail with, if any. */
  async strike(request: RequestFacts): Promise<number | undefined> {
    for (const { chooses, released } of this.#hanging) if (chooses(request)) await released;
    return [...this.#failing].find(({ chooses }) => chooses(request))?.status;
  }
}

export function requestFacts(request: IncomingMessage, url: URL): RequestFacts {
  return {
    method: request.method ?? "GET",
    path: url.pathname,
    query: url.searchParams,
    userAgent: request.headers["user-agent"] ?? "",
  };
}
