import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ForwardingMemory, forgetForwarding } from "../../../../speaker/bgp/forwarding-memory.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "ib-forwarding-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

const open = (bootId: string) => new ForwardingMemory(join(directory, "state"), bootId);

test("ForwardingMemory says that forwarding was preserved over a restart, and not over a boot", () => {
  const first = open("boot-1");
  expect(first.preserved).toBe(false);
  first.note();
  expect(open("boot-1").preserved).toBe(true);
  expect(open("boot-2").preserved).toBe(false);
});

test("ForwardingMemory takes an agent that ended before the rules were there for none", () => {
  open("boot-1").note();
  open("boot-2");
  expect(open("boot-2").preserved).toBe(false);
});

test("forgetForwarding() has the next agent start as after a boot, and needs nothing to be there", () => {
  open("boot-1").note();
  forgetForwarding(join(directory, "state"));
  expect(open("boot-1").preserved).toBe(false);
  forgetForwarding(join(directory, "none"));
});
