/** Reads the annotations of one object, and notes what means nothing: "annotation KEY is "VALUE"; write ...". */
export class AnnotationReader {
  readonly problems: string[] = [];
  readonly #annotations: Readonly<Record<string, string>>;

  constructor(annotations: Readonly<Record<string, string>>) {
    this.#annotations = annotations;
  }

  text(key: string): string | undefined {
    return this.#annotations[key];
  }

  /** Undefined when there is none, or none that counts. */
  number(key: string, least: number, most: number): number | undefined {
    const text = this.text(key);
    if (text === undefined) return undefined;
    const number = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
    if (number >= least && number <= most) return number;
    this.refuse(key, `a number from ${least} to ${most}`);
    return undefined;
  }

  flag(key: string): boolean {
    const text = this.text(key) ?? "false";
    if (text !== "true" && text !== "false") this.refuse(key, "true or false");
    return text === "true";
  }

  /** @param want What to write instead. */
  refuse(key: string, want: string): void {
    this.problems.push(`annotation ${key} is "${this.text(key)}"; write ${want}`);
  }
}
