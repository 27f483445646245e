/** A part of a script that is one command, or one line of a block. */
export interface Statement {
  /** Without comments and the closing semicolon. */
  readonly text: string;
  /** From 1. */
  readonly line: number;
}

/** Statements end at a line end or a semicolon outside of braces and quotes, as nft(8) has it. */
export function splitStatements(script: string, firstLine = 1): Statement[] {
  const statements: Statement[] = [];
  let line = firstLine;
  let start = firstLine;
  let depth = 0;
  let text = "";
  const end = () => {
    if (text.trim() !== "") statements.push({ text: text.trim(), line: start });
    text = "";
    start = line;
  };
  for (const part of script.split(/(\n|;|[{}]|"[^"\n]*"|#[^\n]*)/)) {
    if (part.startsWith("#")) continue;
    if (part === "{") depth++;
    if (part === "}") depth--;
    if (part === "\n") line++;
    if (depth === 0 && (part === "\n" || part === ";")) end();
    else {
      if (text.trim() === "") start = line;
      text += part;
    }
  }
  end();
  return statements;
}

/** `add chain ip t c { BODY }` as its words before the braces and what is inside; no body when there are no braces. */
export function splitBlock({ text, line }: Statement): { readonly head: string[]; readonly body?: Statement[] } {
  const open = text.indexOf("{");
  if (open === -1 || !text.endsWith("}")) return { head: text.split(/\s+/) };
  const firstLine = line + (text.slice(0, open).match(/\n/g)?.length ?? 0);
  const head = text.slice(0, open).trim().split(/\s+/);
  return { head, body: splitStatements(text.slice(open + 1, -1), firstLine) };
}

/** `... { a : b, c }` as pairs; the value of a set's element is "". */
export function parseElements(text: string): [key: string, value: string][] {
  return text
    .slice(text.indexOf("{") + 1, text.lastIndexOf("}"))
    .split(",")
    .map((element) => element.replace(/\s+/g, " ").trim())
    .filter((element) => element !== "")
    .map((element) => {
      const [key = "", value = ""] = element.split(" : ");
      return [key.trim(), value.trim()];
    });
}
