import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readHostLocal } from "../../../cni/take-over.ts";
import { printAddress } from "../../../net/mod.ts";

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "ib-hl-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

test("readHostLocal() reads files of every age, and skips what is no reservation", () => {
  mkdirSync(join(directory, "cbr0"));
  const write = (name: string, text: string) => writeFileSync(join(directory, "cbr0", name), text);
  write("10.244.1.2", "aaa\r\neth0");
  write("fd00::2", "aaa\r\neth0");
  write("10.244.1.3", "bbb"); // before interfaces were kept
  write("10.244.1.4", "aaa\r\neth1");
  write("10.244.1.5", ""); // power failure
  write("last_reserved_ip.0", "10.244.1.4");
  write("lock", "");
  const read = readHostLocal(directory).map(({ key, network, addresses }) => [
    `${network} ${key.containerId}/${key.ifname}`,
    addresses.map(printAddress).sort(),
  ]);
  expect(Object.fromEntries(read)).toEqual({
    "cbr0 aaa/eth0": ["10.244.1.2", "fd00::2"],
    "cbr0 bbb/eth0": ["10.244.1.3"],
    "cbr0 aaa/eth1": ["10.244.1.4"],
  });
  expect(readHostLocal(join(directory, "none"))).toEqual([]);
});
