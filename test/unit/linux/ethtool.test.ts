import { expect, test } from "vitest";
import { hasErrno, readTxChecksum } from "../../../linux/mod.ts";

test("readTxChecksum() reads the setting of an interface, and names one that is not there", () => {
  expect(readTxChecksum("lo")).toBe(true);
  const attempt = () => readTxChecksum("ib-missing");
  expect(attempt).toThrow("read the checksum offload of ib-missing: ENODEV");
  expect(attempt).toThrow(expect.toSatisfy((error: unknown) => hasErrno(error, "ENODEV")));
});
