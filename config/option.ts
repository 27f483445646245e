import { IronbridgeError } from "../core/mod.ts";

/** One setting of a program. Its name is that of the flag, of the environment variable and of the ConfigMap key. */
export interface Option<T> {
  /** What stands for the value in the help: `--node <name>`; the values themselves, joined by `|`, when they are few. */
  readonly placeholder: string;
  readonly help: string;
  /** The text used when nothing is given. Absent: the setting may stay unset, or must be given when `required`. */
  readonly fallback?: string;
  readonly required?: true;
  /** Reads the text of a flag; a refusal says what is accepted, as "want ...". */
  readonly read: (text: string) => T | Refusal;
}

/** What a reader accepts, in words that follow "want". */
export interface Refusal {
  readonly want: string;
}

export type OptionTable = Readonly<Record<string, Option<unknown>>>;

/** The settings a table describes: those with neither fallback nor `required` may be undefined. */
export type OptionValues<Table extends OptionTable> = {
  readonly [Name in keyof Table]: Table[Name] extends { fallback: string } | { required: true }
    ? Accepted<Table[Name]>
    : Accepted<Table[Name]> | undefined;
};

type Accepted<O> = O extends { read: (text: string) => infer T } ? Exclude<T, Refusal> : never;

/** One row for the help of a command and for the reference page. */
export interface Flag {
  /** `proxy-mode` */
  readonly name: string;
  /** `--proxy-mode <nftables|iptables>` */
  readonly flag: string;
  /** `IRONBRIDGE_PROXY_MODE` */
  readonly variable: string;
  readonly help: string;
  readonly fallback: string | undefined;
  /** The values there are, when they are few. */
  readonly choices: readonly string[] | undefined;
}

export function flagsOf(table: OptionTable): readonly Flag[] {
  return Object.entries(table).map(([name, { placeholder, help, fallback }]) => ({
    name: flagName(name),
    flag: `--${flagName(name)} <${placeholder}>`,
    variable: variableName(name),
    help,
    fallback,
    choices: placeholder.includes("|") ? placeholder.split("|") : undefined,
  }));
}

/**
 * Reads every setting of `table`: the flag first, then the environment variable, then the fallback. An environment
 * variable without text counts as not set: so a ConfigMap can hold every key.
 * @param flags By camel-case name, as commander's `opts()` gives them.
 * @throws {IronbridgeError} IB_OPTION_INVALID naming every flag that is wrong, its value, and what is accepted.
 */
export function readOptions<Table extends OptionTable>(
  table: Table,
  flags: Readonly<Record<string, unknown>>,
  environment: Readonly<Record<string, string | undefined>>,
): OptionValues<Table> {
  const mistakes: string[] = [];
  const values = Object.entries(table).map(([name, option]) => {
    const given = flags[name] ?? (environment[variableName(name)] || option.fallback);
    if (given === undefined) {
      if (option.required) mistakes.push(`--${flagName(name)} is required: ${option.help}`);
      return [name, undefined];
    }
    const text = Array.isArray(given) ? given.join(",") : String(given);
    const value = option.read(text);
    if (isRefusal(value)) mistakes.push(`--${flagName(name)} is "${text}", want ${value.want}`);
    return [name, value];
  });
  if (mistakes.length > 0) throw new IronbridgeError("IB_OPTION_INVALID", mistakes.join("; "));
  return Object.fromEntries(values);
}

function isRefusal(value: unknown): value is Refusal {
  return typeof value === "object" && value !== null && "want" in value;
}

function flagName(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function variableName(name: string): string {
  return `IRONBRIDGE_${flagName(name).replaceAll("-", "_").toUpperCase()}`;
}
