import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { makeMemberKey, memberKey } from "../../../cli/member-key.ts";
import { IronbridgeError, type Log, silentLog } from "../../../core/mod.ts";
import { fakeKubeClient, type KubeClient, SECRETS } from "../../../kube/mod.ts";
import { waitFor } from "../../support/wait.ts";

const NAMESPACE = "ironbridge-system";
const SECRET = { name: "ironbridge-members", namespace: NAMESPACE };

let stateDir: string;
let stop: AbortController;
let told: string[];
beforeEach(() => {
  stateDir = mkdtempSync(join(tmpdir(), "member-key-"));
  stop = new AbortController();
  told = [];
});
afterEach(() => {
  stop.abort();
  rmSync(stateDir, { recursive: true });
});

const log: Log = Object.assign(Object.create(silentLog()), {
  warn: ({ event }: { event: string }) => void told.push(event),
});
const read = (client: KubeClient, memberKeyFile?: string) =>
  memberKey({ memberKeyFile, namespace: NAMESPACE, stateDir }, { client, log }, stop.signal);
const unreachable = async () => {
  throw new IronbridgeError("IB_API_UNREACHABLE", "no answer");
};

describe("memberKey()", () => {
  test("waits for the Secret that the controller makes, and says once that it does", async () => {
    const client = fakeKubeClient();
    const key = read(client);
    await waitFor("the waiting to be told", () => told.length > 0, { deadline: 2_000 });
    await makeMemberKey(NAMESPACE, { client, log }, stop.signal);
    expect(String(await key)).toMatch(/^[0-9a-f]{64}$/);
    expect(told).toEqual(["members.no_key"]);
  });

  test("keeps a copy for root only, and uses it when the API server is away", async () => {
    const client = fakeKubeClient();
    await makeMemberKey(NAMESPACE, { client, log }, stop.signal);
    const key = await read(client);
    expect(statSync(join(stateDir, "member-key")).mode & 0o777).toBe(0o600);
    expect(readFileSync(join(stateDir, "member-key"))).toEqual(Buffer.from(key));
    expect(await read({ ...client, get: unreachable })).toEqual(Buffer.from(key));
    const silent = { ...client, get: () => new Promise<never>(() => {}) };
    expect(await read(silent)).toEqual(Buffer.from(key));
  });

  test("takes the Secret before the copy, so that a restart is enough for a new key", async () => {
    const client = fakeKubeClient();
    writeFileSync(join(stateDir, "member-key"), "an old key of some length");
    const data = { key: Buffer.from("a new key of some length").toString("base64") };
    await client.create(SECRETS, { metadata: SECRET, data });
    expect(String(await read(client))).toBe("a new key of some length");
  });

  test("does not use the copy when the Secret is gone: the others will have another key", async () => {
    writeFileSync(join(stateDir, "member-key"), "an old key of some length");
    const key = read(fakeKubeClient());
    await waitFor("the waiting to be told", () => told.length > 0, { deadline: 2_000 });
    expect(await Promise.race([key, Promise.resolve("waits")])).toBe("waits");
  });

  test("prefers the file of the settings", async () => {
    const file = join(stateDir, "given");
    writeFileSync(file, "sixteen octets !");
    expect(String(await read(fakeKubeClient(), file))).toBe("sixteen octets !");
  });

  test("refuses a file that is missing or too short", () => {
    const file = join(stateDir, "given");
    expect(() => read(fakeKubeClient(), file)).toThrowError(`--member-key-file ${file} can't be read`);
    writeFileSync(file, "short");
    expect(() => read(fakeKubeClient(), file)).toThrowError("holds 5 octets, want 16 or more");
  });

  test("refuses to start when it could never find a key", () => {
    const source = { memberKeyFile: undefined, namespace: undefined, stateDir };
    const attempt = () => memberKey(source, { client: fakeKubeClient(), log }, stop.signal);
    expect(attempt).toThrowError("the speaker needs --member-key-file or --namespace");
  });
});

describe("makeMemberKey()", () => {
  test("leaves a key that is there", async () => {
    const client = fakeKubeClient();
    const data = { key: "c29tZWJvZHkncyBvd24ga2V5" };
    await client.create(SECRETS, { metadata: SECRET, data });
    await makeMemberKey(NAMESPACE, { client, log }, stop.signal);
    expect((await client.get(SECRETS, SECRET))?.data).toEqual(data);
  });

  test("tries again when the API server is away at first", async () => {
    const client = fakeKubeClient();
    let calls = 0;
    const get: KubeClient["get"] = (...call) => (calls++ === 0 ? unreachable() : client.get(...call));
    await makeMemberKey(NAMESPACE, { client: { ...client, get }, log }, stop.signal);
    expect(await client.get(SECRETS, SECRET)).toMatchObject({ type: "Opaque" });
    expect(told).toEqual(["members.no_key"]);
  });
});
