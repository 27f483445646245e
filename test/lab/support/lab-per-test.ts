import { afterEach } from "vitest";
import { type BgpLab, type BgpLabOptions, startBgpLab } from "./bgp-lab.ts";

/** Starts labs of one node for the tests of a file; each ends with its test. */
export function labPerTest(tag: string) {
  let lab: BgpLab | undefined;
  afterEach(async () => {
    await lab?.[Symbol.asyncDispose]();
    lab = undefined;
  });
  return async (objects: BgpLabOptions["objects"], more: Partial<BgpLabOptions> = {}): Promise<BgpLab> => {
    lab = await startBgpLab({ tag, nodes: 1, objects, ...more });
    return lab;
  };
}
