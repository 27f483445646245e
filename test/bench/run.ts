import { globSync } from "node:fs";
import { basename } from "node:path";
import { type Bench, type Figure, printTable } from "./figure.ts";

/** `node test/bench/run.ts [NAME]`: runs every benchmark of this folder, or one; a table, then one JSON line per figure. */
const wanted = process.argv[2];
const names = globSync("*.bench.ts", { cwd: import.meta.dirname }).map((file) => basename(String(file), ".bench.ts"));
if (wanted !== undefined && !names.includes(wanted)) {
  console.error(`bench: no benchmark is named "${wanted}"; there are: ${names.sort().join(", ")}`);
  process.exit(2);
}

const figures: Figure[] = [];
for (const name of wanted === undefined ? names.sort() : [wanted]) {
  const { bench }: { bench: Bench } = await import(`./${name}.bench.ts`);
  console.error(`bench ${name}: ${bench.summary}`);
  figures.push(...(await bench.run((line) => console.error(`  ${line}`))));
}
console.log(printTable(figures));
for (const figure of figures) console.log(JSON.stringify(figure));
