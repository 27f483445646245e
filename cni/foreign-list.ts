import { join } from "node:path";
import { z } from "zod";
import { namesIn, readJson } from "./json-files.ts";

/** What container runtimes read as configuration: libcni, libcni/conf.go, and containerd's go-cni, opts.go. */
const CONFIGURATION = /\.(conf|conflist|json)$/;
const plugin = z.object({ type: z.string() });
/** A list of plugins, or one alone. */
const configuration = z.union([z.object({ plugins: z.array(plugin) }), plugin]);

/**
 * Says in a sentence that container runtimes use the configuration of others: they take the file whose name sorts first.
 * Undefined when that is `own`, or one that has the plugin `type` in its list.
 */
export function foreignListProblem(directory: string, own: string, type: string): string | undefined {
  const [first = own] = namesIn(directory)
    .filter((name) => CONFIGURATION.test(name))
    .sort();
  if (first >= own) return undefined;
  const path = join(directory, first);
  const types = pluginTypes(path);
  if (types?.includes(type)) return undefined;
  const content = types === undefined ? "it is no CNI configuration" : `plugins ${types.join(", ")}`;
  return (
    `new pods are not connected by Ironbridge: container runtimes take ${path} (${content}), which sorts before ${own}; ` +
    "remove it, or give it a name that sorts later"
  );
}

function pluginTypes(path: string): string[] | undefined {
  const parsed = configuration.safeParse(readJson(path));
  if (!parsed.success) return undefined;
  return ("plugins" in parsed.data ? parsed.data.plugins : [parsed.data]).map((each) => each.type);
}
