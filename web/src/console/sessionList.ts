/** The list of sessions as the relay finds them: searched, filtered, sorted and cut into pages there, not here. */
import { signal } from "@preact/signals";
import { api } from "../api/client";
import { followClock } from "../api/clock";
import type { Session, SessionQuery, SessionsPage } from "../api/types";

export const PAGE_SIZE = 25;
/** The relay gives no more at once. */
const MAX_PAGE_SIZE = 200;

export const ALL_MINE: SessionQuery = { scope: "mine", state: "all", q: "", technician: "", sort: "newest" };

/** One page of a list; `api.sessions` in pages. */
type Ask = (query: SessionQuery, cursor: string | null, limit: number) => Promise<SessionsPage>;

export class SessionList {
  readonly query = signal<SessionQuery>(ALL_MINE);
  /** Null until the first answer. */
  readonly rows = signal<readonly Session[] | null>(null);
  readonly hasMore = signal(false);
  readonly isBusy = signal(false);
  readonly fault = signal<unknown>(null);
  #next: string | null = null;
  /** Counts requests: a late answer to an old question is dropped. */
  #round = 0;

  constructor(private readonly ask: Ask = api.sessions) {}

  /** Asks for something else, from the first page on. */
  change(part: Partial<SessionQuery>): Promise<void> {
    this.query.value = { ...this.query.peek(), ...part };
    return this.#load(null, PAGE_SIZE);
  }

  /** Asks the same again, for as many rows as are shown. */
  reload(): Promise<void> {
    const shown = this.rows.peek()?.length ?? 0;
    return this.#load(null, Math.min(MAX_PAGE_SIZE, Math.max(PAGE_SIZE, shown)));
  }

  /** The next page, below the others. */
  more(): Promise<void> {
    return this.#next === null ? Promise.resolve() : this.#load(this.#next, PAGE_SIZE);
  }

  async #load(cursor: string | null, limit: number): Promise<void> {
    this.#round += 1;
    const round = this.#round;
    this.isBusy.value = true;
    try {
      const page = await this.ask(this.query.peek(), cursor, limit);
      if (round !== this.#round) return;
      followClock(page.now);
      this.rows.value = cursor === null ? page.sessions : joined(this.rows.peek() ?? [], page.sessions);
      this.#next = page.next;
      this.hasMore.value = page.next !== null;
      this.fault.value = null;
    } catch (error) {
      if (round === this.#round) this.fault.value = error;
    } finally {
      if (round === this.#round) this.isBusy.value = false;
    }
  }
}

/** Rows that moved to a later page in the meantime are shown once. */
function joined(above: readonly Session[], below: readonly Session[]): readonly Session[] {
  const known = new Set(above.map(({ id }) => id));
  return [...above, ...below.filter(({ id }) => !known.has(id))];
}
