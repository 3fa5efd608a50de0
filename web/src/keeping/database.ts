/** IndexedDB, as far as it is needed here: one transaction a deed, told when it is on the disk. */

/** A database, and how its stores are made. */
export interface DatabasePlan {
  readonly name: string;
  readonly make: (database: IDBDatabase) => void;
}

/** @throws DOMException if the browser keeps nothing (private windows of some browsers, full disks). */
export function openDatabase({ name, make }: DatabasePlan): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open(name, 1);
    opening.onupgradeneeded = () => make(opening.result);
    opening.onsuccess = () => resolve(opening.result);
    opening.onerror = () => reject(opening.error ?? new DOMException("unavailable", "UnknownError"));
    opening.onblocked = () => reject(new DOMException("blocked", "InvalidStateError"));
  });
}

/** What `work` asks of a store, in a transaction of its own. @throws DOMException. */
export function ask<T>(
  database: IDBDatabase,
  store: string,
  mode: IDBTransactionMode,
  work: (store: IDBObjectStore) => IDBRequest<T>,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const transaction = database.transaction(store, mode);
    const asked = work(transaction.objectStore(store));
    // Only a completed transaction is on disk.
    transaction.oncomplete = () => resolve(asked.result);
    transaction.onabort = () => reject(transaction.error ?? new DOMException("aborted", "AbortError"));
  });
}

/** One store in a database of its own, which is open only as long as it is asked. */
export class OneStore {
  readonly #plan: DatabasePlan;

  constructor(
    name: string,
    private readonly store: string,
  ) {
    this.#plan = { name, make: (database) => void database.createObjectStore(store) };
  }

  /** @throws DOMException. */
  async ask<T>(mode: IDBTransactionMode, work: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
    const database = await openDatabase(this.#plan);
    try {
      return await ask(database, this.store, mode, work);
    } finally {
      database.close();
    }
  }
}
