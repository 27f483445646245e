import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Lab, SAMPLES } from "../../../lab/mod.ts";
import { curl, hostOf } from "../../support/test-lab.ts";
import { waitFor } from "../../support/wait.ts";

/** Those of the Service web, one of each family: the lowest of the pool. */
export const WEB_ADDRESSES = ["192.168.1.100", "fd00:1::100"] as const;

/** The sample `web` with an address of each family, on which its pods listen too. Resolves when both answer. */
export async function applyDualStackWeb(lab: Lab): Promise<void> {
  const sample = (name: string) => readFile(join(SAMPLES, name), "utf8");
  const pool = (await sample("01-pool.yaml")).replace("addresses:\n", "addresses:\n    - fd00:1::100-fd00:1::150\n");
  const web = (await sample("04-web.yaml"))
    .replace("listen 80;", "listen [::]:80 ipv6only=off;")
    .replace("type: LoadBalancer\n", "type: LoadBalancer\n  ipFamilyPolicy: RequireDualStack\n");
  for (const text of [pool, web]) await lab.kubectl(["apply", "-f", "-"], text);
  for (const address of WEB_ADDRESSES) {
    await waitFor(`${address} to answer`, () => curl(lab, `http://${hostOf(address)}/`), { deadline: 30_000 });
  }
}
