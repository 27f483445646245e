import { execFileSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { type TarEntry, writeTar } from "../../../../tools/image/tar-writer.ts";

/** What tar(1) makes of it: mode, owner, size, day, time, name. */
function list(entries: readonly TarEntry[], modified = 0): readonly string[] {
  const input = Buffer.concat([...writeTar(entries, modified)]);
  const env = { ...process.env, TZ: "UTC" };
  const text = execFileSync("tar", ["-tvf", "-", "--numeric-owner", "--full-time"], { input, env, encoding: "utf8" });
  return text
    .trimEnd()
    .split("\n")
    .map((line) => line.replace(/ +/g, " "));
}

describe("writeTar()", () => {
  const long = `${"directory/".repeat(20)}file`;
  const cases: readonly { name: string; entry: TarEntry; want: string }[] = [
    {
      name: "a file",
      entry: { kind: "file", path: "etc/a", mode: 0o644, content: Buffer.from("abc") },
      want: "-rw-r--r-- 0/0 3 1970-01-01 00:00:00 etc/a",
    },
    {
      name: "a directory with a sticky bit and an owner",
      entry: { kind: "directory", path: "tmp", mode: 0o1777, uid: 7, gid: 8 },
      want: "drwxrwxrwt 7/8 0 1970-01-01 00:00:00 tmp/",
    },
    {
      name: "a link",
      entry: { kind: "symlink", path: "bin", target: "usr/bin" },
      want: "lrwxrwxrwx 0/0 0 1970-01-01 00:00:00 bin -> usr/bin",
    },
    {
      name: "a path that is longer than the header's field",
      entry: { kind: "file", path: long, mode: 0o600, content: new Uint8Array(0) },
      want: `-rw------- 0/0 0 1970-01-01 00:00:00 ${long}`,
    },
    {
      name: "a link to a path that is longer than the header's field",
      entry: { kind: "symlink", path: "a", target: long },
      want: `lrwxrwxrwx 0/0 0 1970-01-01 00:00:00 a -> ${long}`,
    },
  ];
  test.each(cases)("writes $name", ({ entry, want }) => {
    expect(list([entry])).toEqual([want]);
  });

  test("gives every member the one time", () => {
    const entry: TarEntry = { kind: "directory", path: "a", mode: 0o755 };
    expect(list([entry], 86_400)).toEqual(["drwxr-xr-x 0/0 0 1970-01-02 00:00:00 a/"]);
  });

  test("reads a file of this machine whole", () => {
    const file = import.meta.filename;
    const input = Buffer.concat([...writeTar([{ kind: "file", path: "x", mode: 0o644, content: { file } }], 0)]);
    const content = execFileSync("tar", ["-xOf", "-", "x"], { input, encoding: "utf8" });
    expect(content).toContain("reads a file of this machine whole");
  });
});
