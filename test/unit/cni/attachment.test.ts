import fc from "fast-check";
import { expect, test } from "vitest";
import { hostLinkName, isHostLinkName, macOf } from "../../../cni/attachment.ts";
import { isInterfaceName } from "../../../cni/request.ts";
import { parseAddress, printMac } from "../../../net/mod.ts";

test("hostLinkName() gives a name the kernel takes, the same each time, another for each interface", () => {
  const key = fc.record({ containerId: fc.string(), ifname: fc.string() });
  fc.assert(
    fc.property(key, (value) => {
      expect(isInterfaceName(hostLinkName(value))).toBe(true);
      expect(isHostLinkName(hostLinkName(value))).toBe(true);
      expect(hostLinkName({ ...value })).toBe(hostLinkName(value));
      expect(hostLinkName({ ...value, ifname: `${value.ifname}x` })).not.toBe(hostLinkName(value));
    }),
  );
});

test.each(["ib0", "eth0", "ib0123456789ab", "ib0123456789abcd", "ibx123456789abc"])(
  "isHostLinkName() leaves %s alone",
  (name) => {
    expect(isHostLinkName(name)).toBe(false);
  },
);

test.each([
  ["10.244.1.2", "0a:58:0a:f4:01:02"],
  ["fd00::1:2", "0a:58:00:01:00:02"],
])("macOf(%s) is %s", (address, mac) => {
  expect(printMac(macOf(parseAddress(address)))).toBe(mac);
});
