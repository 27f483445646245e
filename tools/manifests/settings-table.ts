import type { Flag } from "../../config/mod.ts";
import { AGENT_SETTINGS, ALL_FLAGS, CONTROLLER_SETTINGS, explainSetting, POD_FLAGS, SETTING_FLAGS } from "./setting.ts";

/** The tables of docs/install.md: the keys of the ConfigMap, and the flags that the manifests set themselves. */
export const TABLES: Readonly<Record<string, () => string>> = {
  settings: () => table(["Key", "Default", "Read by", "Meaning"], SETTING_FLAGS.map(settingRow)),
  "pod-flags": () =>
    table(
      ["Flag", "Where its value comes from"],
      ALL_FLAGS.filter(({ name }) => name in POD_FLAGS).map(({ name }) => [`\`--${name}\``, POD_FLAGS[name] ?? ""]),
    ),
};

/** The page with every table between its marks written anew: `<!-- settings -->` ... `<!-- /settings -->`. */
export function withTables(page: string): string {
  return Object.entries(TABLES).reduce((text, [name, print]) => {
    const between = new RegExp(`(<!-- ${name} -->\n)[^]*(<!-- /${name} -->)`);
    if (!between.test(text)) throw new RangeError(`the page has no marks <!-- ${name} --> and <!-- /${name} -->`);
    return text.replace(between, (_, open, close) => `${open}${print()}${close}`);
  }, page);
}

function settingRow(flag: Flag): string[] {
  const { name, fallback } = flag;
  const has = (flags: readonly Flag[]) => flags.some((each) => each.name === name);
  const readers = [...(has(AGENT_SETTINGS) ? ["agent"] : []), ...(has(CONTROLLER_SETTINGS) ? ["controller"] : [])];
  return [`\`${name}\``, fallback ? `\`${fallback}\`` : "", readers.join(", "), explainSetting(flag)];
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |\n`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("");
}
