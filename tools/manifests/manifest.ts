/** An object as kubectl reads it. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly [field: string]: unknown;
}

/** Objects that stand in one file of the chart and come or stay away together. */
export interface Group {
  /** Name of the template, without its ending. */
  readonly file: string;
  /** Absent: always. A value of the chart otherwise: true, or a text that is not empty. */
  readonly when?: boolean | string;
  readonly objects: readonly Manifest[];
  /** Comments above the keys of `data` of the group's ConfigMap. */
  readonly comments?: Readonly<Record<string, string>>;
}
