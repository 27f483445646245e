/** What a worker thread has to say: the main thread writes the log. */
export interface LogLine {
  readonly kind: "log";
  readonly level: "debug" | "info" | "warn";
  readonly event: string;
  readonly fields: object;
  readonly message: string;
}
