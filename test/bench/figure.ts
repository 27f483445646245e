/** One measured number, as one JSON line and one row of the table. */
export interface Figure {
  readonly bench: string;
  readonly case: string;
  /** How many runs or objects stand behind the value. */
  readonly n: number;
  /** What was measured: "p50", "p95", "max", "total", ... */
  readonly metric: string;
  readonly unit: string;
  readonly value: number;
  /** What it is compared with and where that number comes from; "none" when there is nothing to compare with. */
  readonly peer: string;
  readonly peerValue: number | null;
}

/** A benchmark gives figures; progress goes to standard error. */
export interface Bench {
  readonly summary: string;
  run(progress: (line: string) => void): Promise<readonly Figure[]>;
}

/** The value that `share` (0 to 1) of all values do not exceed: nearest rank. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

/** Figures p50, p95 and max of a series of runs. */
export function summarize(about: Omit<Figure, "n" | "metric" | "value">, values: readonly number[]): readonly Figure[] {
  const metrics = { p50: percentile(values, 0.5), p95: percentile(values, 0.95), max: Math.max(...values) };
  return Object.entries(metrics).map(([metric, value]) => ({
    bench: about.bench,
    case: about.case,
    n: values.length,
    metric,
    unit: about.unit,
    value: Math.round(value * 100) / 100,
    peer: about.peer,
    peerValue: about.peerValue,
  }));
}

const COLUMNS = ["bench", "case", "n", "metric", "value", "unit", "peerValue", "peer"] as const;

/** The figures as a table with aligned columns. */
export function printTable(figures: readonly Figure[]): string {
  const rows = [
    COLUMNS.map(String),
    ...figures.map((figure) => COLUMNS.map((column) => String(figure[column] ?? "-"))),
  ];
  const widths = COLUMNS.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  return rows
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
