import { DatabaseSync, type StatementSync } from "node:sqlite";
import { IronbridgeError } from "../core/mod.ts";
import { type Address, parseAddress, printAddress } from "../net/mod.ts";
import { type AttachmentKey, hostLinkName, type PodName, printKey } from "./attachment.ts";
import { type LeaseExtras, parseExtras, printExtras } from "./lease-extras.ts";

/** What the node remembers of one attachment. */
export interface Lease extends LeaseExtras {
  readonly key: AttachmentKey;
  /** Name of the CNI network. */
  readonly network: string;
  /** Path of the pod's network namespace. */
  readonly netns: string;
  readonly pod?: PodName;
  /** One per family, in the order they were given. */
  readonly addresses: readonly Address[];
  /** When it was written down, in ISO 8601; absent of those that an earlier version wrote. */
  readonly since?: string;
  /** False while ADD is at work: what a killed agent leaves behind is undone at the next start. */
  readonly complete: boolean;
}

/** An attachment as ADD asks for it. */
export type NewLease = Omit<Lease, "complete" | "since">;

/** Where the namespace of a pod would be that nobody knows. It exists as long as the machine, so that the pod is not taken for lost. */
export const UNKNOWN_NETNS = "/";

const SCHEMA_VERSION = 3;
/** Milliseconds an agent waits for its dying predecessor to let go of the store. */
const LOCK_TIMEOUT = 1000;
const SCHEMA = `
  CREATE TABLE boot (id TEXT NOT NULL) STRICT;
  CREATE TABLE attachment (
    container_id TEXT NOT NULL, ifname TEXT NOT NULL, network TEXT NOT NULL, netns TEXT NOT NULL,
    namespace TEXT, pod TEXT, uid TEXT, complete INTEGER NOT NULL DEFAULT 0,
    extras TEXT NOT NULL DEFAULT '{}', since TEXT,
    PRIMARY KEY (container_id, ifname)
  ) STRICT;
  CREATE TABLE lease (
    address TEXT PRIMARY KEY, family TEXT NOT NULL, container_id TEXT NOT NULL, ifname TEXT NOT NULL,
    UNIQUE (container_id, ifname, family),
    FOREIGN KEY (container_id, ifname) REFERENCES attachment ON DELETE CASCADE
  ) STRICT;
  CREATE TABLE freed (sequence INTEGER PRIMARY KEY AUTOINCREMENT, address TEXT NOT NULL UNIQUE) STRICT;
  PRAGMA user_version = ${SCHEMA_VERSION};
`;

/** What makes a store of version N one of version N + 1. */
const MIGRATIONS: Readonly<Record<number, string>> = {
  1: "ALTER TABLE attachment ADD COLUMN extras TEXT NOT NULL DEFAULT '{}'; PRAGMA user_version = 2;",
  2: "ALTER TABLE attachment ADD COLUMN since TEXT; PRAGMA user_version = 3;",
};

const NOW = "strftime('%Y-%m-%dT%H:%M:%SZ', 'now')";

/** Name of the node's end of the attachment. */
export function linkOf({ key, link }: Pick<Lease, "key" | "link">): string {
  return link ?? hostLinkName(key);
}

/**
 * The attachments of this node and their addresses, on disk. Two owners of one address can't be written: the address is
 * the primary key. Every change is one transaction; write-ahead logging makes it survive the death of the process.
 */
export class LeaseStore {
  readonly #db: DatabaseSync;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #has: StatementSync;
  readonly #insertAttachment: StatementSync;
  readonly #insertLease: StatementSync;
  readonly #deleteFreed: StatementSync;
  readonly #complete: StatementSync;
  readonly #free: StatementSync;
  readonly #deleteAttachment: StatementSync;
  readonly #select: StatementSync;

  /**
   * @param bootId Changes with every boot of the machine: attachments of an earlier boot are gone with their namespaces.
   * @throws {IronbridgeError} IB_STORE_BROKEN when `path` can't be opened, is damaged, or is open in another agent.
   */
  constructor(path: string, bootId: string) {
    this.#db = openDatabase(path);
    const prepare = (sql: string) => this.#db.prepare(sql);
    this.#begin = prepare("BEGIN IMMEDIATE");
    this.#commit = prepare("COMMIT");
    this.#has = prepare("SELECT 1 FROM attachment WHERE container_id = ? AND ifname = ?");
    this.#insertAttachment = prepare(`INSERT INTO attachment VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?, ${NOW})`);
    this.#insertLease = prepare("INSERT INTO lease VALUES (?, ?, ?, ?)");
    this.#deleteFreed = prepare("DELETE FROM freed WHERE address = ?");
    this.#complete = prepare("UPDATE attachment SET complete = 1 WHERE container_id = ? AND ifname = ?");
    this.#free = prepare("INSERT INTO freed (address) SELECT address FROM lease WHERE container_id = ? AND ifname = ?");
    this.#deleteAttachment = prepare("DELETE FROM attachment WHERE container_id = ? AND ifname = ?");
    this.#select = prepare(`${SELECT_LEASES} WHERE container_id = ? AND ifname = ?`);
    this.#forgetEarlierBoot(bootId);
  }

  has(key: AttachmentKey): boolean {
    return this.#has.get(key.containerId, key.ifname) !== undefined;
  }

  get(key: AttachmentKey): Lease | undefined {
    return readLeases(this.#select.all(key.containerId, key.ifname))[0];
  }

  list(): Lease[] {
    return readLeases(this.#db.prepare(SELECT_LEASES).all());
  }

  /** Addresses that had an owner once and have none, the one freed the longest time ago first. */
  freed(): Address[] {
    const rows = this.#db.prepare("SELECT address FROM freed ORDER BY sequence").all();
    return rows.map(({ address }) => parseAddress(String(address)));
  }

  /** @throws {Error} when the attachment exists or an address has an owner. */
  insert({ key, network, netns, pod, addresses, ...extras }: NewLease): void {
    const { containerId, ifname } = key;
    const { namespace = null, name = null, uid = null } = pod ?? {};
    this.#transaction(() => {
      this.#insertAttachment.run(containerId, ifname, network, netns, namespace, name, uid, printExtras(extras));
      for (const address of addresses) {
        this.#insertLease.run(printAddress(address), address.family, containerId, ifname);
        this.#deleteFreed.run(printAddress(address));
      }
    });
  }

  markComplete(key: AttachmentKey): void {
    this.#complete.run(key.containerId, key.ifname);
  }

  /** Nothing happens when there is no such attachment. */
  remove(key: AttachmentKey): void {
    this.#transaction(() => {
      this.#free.run(key.containerId, key.ifname);
      this.#deleteAttachment.run(key.containerId, key.ifname);
    });
  }

  close(): void {
    this.#db.close();
  }

  #forgetEarlierBoot(bootId: string): void {
    const known = this.#db.prepare("SELECT id FROM boot").get()?.id;
    if (known === bootId) return;
    this.#transaction(() => {
      this.#db.exec("INSERT INTO freed (address) SELECT address FROM lease; DELETE FROM attachment; DELETE FROM boot");
      this.#db.prepare("INSERT INTO boot VALUES (?)").run(bootId);
    });
  }

  #transaction(work: () => void): void {
    this.#begin.run();
    try {
      work();
      this.#commit.run();
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK"); // a full disk has ended it already
      throw error;
    }
  }
}

const SELECT_LEASES = `
  SELECT container_id, ifname, network, netns, namespace, pod, uid, complete, extras, since, address
  FROM attachment LEFT JOIN lease USING (container_id, ifname)`;

type Row = Record<string, unknown>;

/** One row per address becomes one lease per attachment. */
function readLeases(rows: readonly Row[]): Lease[] {
  const leases = new Map<string, Lease & { readonly addresses: Address[] }>();
  for (const row of rows) {
    const key = { containerId: String(row.container_id), ifname: String(row.ifname) };
    const lease = leases.get(printKey(key)) ?? { ...readAttachment(row), key, addresses: [] };
    leases.set(printKey(key), lease);
    if (row.address !== null) lease.addresses.push(parseAddress(String(row.address)));
  }
  return [...leases.values()];
}

function readAttachment(row: Row): Omit<Lease, "key" | "addresses"> {
  const pod = { namespace: String(row.namespace), name: String(row.pod), uid: String(row.uid) };
  return {
    network: String(row.network),
    netns: String(row.netns),
    complete: row.complete === 1,
    ...parseExtras(String(row.extras)),
    ...(row.pod === null ? {} : { pod }),
    ...(row.since === null ? {} : { since: String(row.since) }),
  };
}

function openDatabase(path: string): DatabaseSync {
  try {
    const db = new DatabaseSync(path, { timeout: LOCK_TIMEOUT });
    // Exclusive: two agents on one store would each believe its own memory of what is free.
    // Not synchronous: what is written must outlive the process, which it does in the kernel's memory. A power failure ends
    // the pods with it, and a store that it damages is put aside. Waiting for the disk would hold up pods.
    db.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF");
    const version = db.prepare("PRAGMA user_version").get()?.user_version;
    const { quick_check: verdict } = db.prepare("PRAGMA quick_check(1)").get() ?? {};
    if (verdict !== "ok") throw new Error(`it is damaged: ${verdict}`);
    if (version === 0) db.exec(`BEGIN; ${SCHEMA} COMMIT`);
    else migrate(db, Number(version));
    return db;
  } catch (cause) {
    throw new IronbridgeError("IB_STORE_BROKEN", `the store of pod addresses ${path} can't be used`, { cause });
  }
}

/** A newer store is left alone: an older agent would not keep what it does not know. */
function migrate(db: DatabaseSync, from: number): void {
  if (from > SCHEMA_VERSION) throw new Error(`its schema is version ${from}, newer than ${SCHEMA_VERSION}`);
  for (let version = from; version < SCHEMA_VERSION; version++) db.exec(`BEGIN; ${MIGRATIONS[version]} COMMIT`);
}
