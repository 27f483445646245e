import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { apiServerOf } from "../../../cli/api-server.ts";

describe("apiServerOf()", () => {
  let folder: string;
  let found: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "api-server-"));
    found = join(folder, "url");
    writeFileSync(found, "https://192.0.2.1:6443\n");
    writeFileSync(join(folder, "empty"), "\n");
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test("takes the host of the settings before what the kubelet uses", () => {
    const server = apiServerOf({ apiHost: "api.example", apiPort: 443, apiServerFile: found });
    expect(server).toBe("https://api.example:443");
  });

  test("writes an IPv6 address as URLs want it", () => {
    expect(apiServerOf({ apiHost: "2001:db8::1", apiPort: 6443, apiServerFile: undefined })).toBe(
      "https://[2001:db8::1]:6443",
    );
  });

  test("takes what the kubelet uses, without the newline", () => {
    expect(apiServerOf({ apiHost: undefined, apiPort: 6443, apiServerFile: found })).toBe("https://192.0.2.1:6443");
  });

  test.each(["missing", "empty"])("leaves it to the Service when the file is %s", (name) => {
    const apiServerFile = join(folder, name);
    expect(apiServerOf({ apiHost: undefined, apiPort: 6443, apiServerFile })).toBeUndefined();
  });
});
