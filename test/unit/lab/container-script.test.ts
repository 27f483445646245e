import { describe, expect, test } from "vitest";
import { type ContainerPlan, type Mount, orderMounts, printContainerScript } from "../../../lab/container-script.ts";

const plan: ContainerPlan = {
  rootDir: "/lab:a/root",
  netnsPath: "/run/netns/pod",
  hostname: "web-1",
  command: ["echo", "it's", "$HOME"],
  env: { GREETING: "a b" },
  workingDir: "/srv/my app",
  layers: [],
  mounts: [{ source: "/v/settings", target: "/etc/app", readOnly: true, kind: "directory" }],
  logFile: "/log",
};

describe("printContainerScript()", () => {
  const script = printContainerScript(plan);

  test("quotes words for the shell, so that nothing in them is expanded", () => {
    expect(script).toContain(`'echo' 'it'\\''s' '$HOME'`);
    expect(script).toContain(`'GREETING=a b'`);
  });

  test("escapes what overlay options use themselves", () => {
    expect(script).toContain(`upperdir='/lab\\:a/root'/upper`);
  });

  test("makes a read-only mount read-only after binding it", () => {
    const bind = script.indexOf("mount --bind '/v/settings'");
    expect(bind).toBeGreaterThan(0);
    expect(script.indexOf("remount,bind,ro")).toBeGreaterThan(bind);
  });
});

describe("orderMounts()", () => {
  test("puts a volume before the one inside it", () => {
    const mount = (target: string): Mount => ({ source: "/s", target, readOnly: false, kind: "directory" });
    const ordered = orderMounts([mount("/a/b/c"), mount("/a"), mount("/a/b")]);
    expect(ordered.map(({ target }) => target)).toEqual(["/a", "/a/b", "/a/b/c"]);
  });
});
