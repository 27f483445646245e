import { explainError, hasCode } from "../../core/mod.ts";
import { decodeHeartbeat, encodeHeartbeat, type Heartbeat } from "../heartbeat.ts";
import { memberKeys } from "../member-keys.ts";
import type { EnginePorts } from "./engine.ts";

/** Seals what this node says to the other members, and opens what they say; what can't be opened is told. */
export class SealedPost {
  readonly #ports: Pick<EnginePorts, "onHappening" | "onLog">;
  #keys: readonly Uint8Array[];
  /** Why heartbeats could not be read, so that each reason is logged once and not ten times a second. */
  readonly #complaints = new Set<string>();

  /** @param key See memberKeys(). */
  constructor(key: Uint8Array, ports: Pick<EnginePorts, "onHappening" | "onLog">) {
    this.#keys = memberKeys(key);
    this.#ports = ports;
  }

  /** The members' key was replaced. */
  setKey(key: Uint8Array): void {
    this.#keys = memberKeys(key);
    this.#complaints.clear();
  }

  seal(heartbeat: Heartbeat): Uint8Array {
    return encodeHeartbeat(heartbeat, this.#keys);
  }

  /** @param from Where it came from, for the log. */
  open(datagram: Uint8Array, from: string): Heartbeat | undefined {
    try {
      const heartbeat = decodeHeartbeat(datagram, this.#keys);
      if (heartbeat !== "strange") return heartbeat;
      this.#ports.onHappening({ kind: "strangeDatagram", from });
      this.#complain(from, "member.otherKey", "was sealed with a key that is not ours", "a member has another key");
    } catch (error) {
      if (!hasCode(error, "IB_WIRE_TRUNCATED")) throw error;
      this.#complain(from, "member.otherVersion", explainError(error), "a member speaks another version");
    }
    return undefined;
  }

  #complain(from: string, event: string, reason: string, message: string): void {
    const complaint = `${from} ${reason}`;
    if (this.#complaints.has(complaint)) return;
    this.#complaints.add(complaint);
    this.#ports.onLog("warn", event, { from, reason }, message);
  }
}
