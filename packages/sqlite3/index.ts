import { DatabaseSync, type SQLInputValue } from "node:sqlite";

type Callback<T> = (error: unknown, value?: T) => void;

/**
 * A SQLite file. Statements run on the main thread, each in a turn of the event loop of its own, so that other work
 * comes in between. Errors are those of node:sqlite, with SQLite's code in `errcode`.
 */
class Database {
  #database: DatabaseSync | undefined;

  constructor(file: string, callback: Callback<void>) {
    answer(callback, () => {
      this.#database = new DatabaseSync(file);
    });
  }

  /** Binds `?` in order, and `$1`, `$2`, … by number. */
  all(sql: string, ...rest: [...parameters: SQLInputValue[], callback: Callback<unknown[]>]): void {
    const parameters = rest.slice(0, -1) as SQLInputValue[];
    answer(rest.at(-1) as Callback<unknown[]>, () => {
      const statement = this.#opened.prepare(sql);
      if (!/\$\d/.test(sql)) return statement.all(...parameters);
      return statement.all(Object.fromEntries(parameters.map((value, i) => [`$${i + 1}`, value])));
    });
  }

  /** How long a statement waits for a lock, in ms, with the event loop stopped. */
  configure(_option: "busyTimeout", ms: number): void {
    this.#opened.exec(`PRAGMA busy_timeout = ${ms}`);
  }

  close(callback: Callback<void>): void {
    answer(callback, () => this.#opened.close());
  }

  get #opened(): DatabaseSync {
    if (!this.#database) throw new Error("the database is not open");
    return this.#database;
  }
}

/** Calls back in a later turn: the caller of the constructor has no database before it returns. */
function answer<T>(callback: Callback<T>, work: () => T): void {
  setImmediate(() => {
    let value: T;
    try {
      value = work();
    } catch (error) {
      callback(error);
      return;
    }
    callback(null, value);
  });
}

export default { Database };
