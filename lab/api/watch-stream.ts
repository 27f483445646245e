import type { ServerResponse } from "node:http";
import type { Clock } from "../../core/mod.ts";
import { type ApiResource, apiVersionOf } from "./resource.ts";
import type { StoreEvent } from "./store.ts";
import { columnDefinitions, type RowObject, rowJson } from "./table.ts";

/** A client that reads slower than this many octets behind is cut off; it lists and watches again. */
const MAX_BEHIND = 32 * 1024 * 1024;

/** How the events of a watch are written. */
export type WatchForm = { readonly kind: "json" } | { readonly kind: "table"; readonly rowObject: RowObject };

/** Writes a watch to one client, many events in one packet when they come together. */
export class WatchStream {
  readonly #response: ServerResponse;
  readonly #resource: ApiResource;
  readonly #form: WatchForm;
  readonly #clock: Clock;
  readonly #waiting: string[] = [];
  #hasHead = false;

  constructor(response: ServerResponse, resource: ApiResource, form: WatchForm, clock: Clock) {
    this.#response = response;
    this.#clock = clock;
    this.#resource = resource;
    this.#form = form;
    response.writeHead(200, { "content-type": "application/json", "transfer-encoding": "chunked" });
    response.flushHeaders();
  }

  send({ type, after }: Pick<StoreEvent, "type" | "after">): void {
    this.#write(
      this.#form.kind === "json"
        ? `{"type":"${type}","object":${after.json(this.#resource)}}\n`
        : this.#tableLine(type, rowJson(after, this.#resource, this.#form.rowObject, this.#clock.date().getTime())),
    );
  }

  /** Tells how far the client has seen everything. */
  bookmark(version: number, annotations?: Readonly<Record<string, string>>): void {
    const metadata = { resourceVersion: String(version), ...(annotations !== undefined && { annotations }) };
    const object = { kind: this.#resource.kind, apiVersion: apiVersionOf(this.#resource), metadata };
    this.#write(
      this.#form.kind === "json"
        ? `${JSON.stringify({ type: "BOOKMARK", object })}\n`
        : this.#tableLine("BOOKMARK", JSON.stringify({ cells: [], object })),
    );
  }

  end(): void {
    this.#flush();
    this.#response.end();
  }

  #tableLine(type: string, row: string): string {
    const columns = JSON.stringify(this.#hasHead ? null : columnDefinitions(this.#resource.columns));
    this.#hasHead = true;
    const head = `"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":{},"columnDefinitions":${columns}`;
    return `{"type":"${type}","object":{${head},"rows":[${row}]}}\n`;
  }

  #write(line: string): void {
    if (this.#waiting.length === 0) setImmediate(() => this.#flush());
    this.#waiting.push(line);
  }

  #flush(): void {
    if (this.#waiting.length === 0 || this.#response.writableEnded || this.#response.destroyed) return;
    this.#response.write(this.#waiting.splice(0).join(""));
    if (this.#response.writableLength > MAX_BEHIND) this.#response.destroy();
  }
}
