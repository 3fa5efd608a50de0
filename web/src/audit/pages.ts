/** The pages of the log that were loaded so far. */
import { signal } from "@preact/signals";
import { type AuditFilter, type AuditPage, type AuditRow, NO_FILTER, auditApi } from "../api/audit";
import { sentenceOf } from "../ui/errors";

export class AuditPages {
  readonly rows = signal<readonly AuditRow[]>([]);
  readonly next = signal<string | null>(null);
  readonly isLoading = signal(false);
  readonly fault = signal<string | null>(null);
  #filter: AuditFilter = NO_FILTER;
  /** Counts the filters; an answer to an older one is of no interest. */
  #turn = 0;

  constructor(private readonly ask: (filter: AuditFilter, cursor: string | null) => Promise<AuditPage> = auditApi.page) {}

  /** Begins anew with a filter. */
  async start(filter: AuditFilter): Promise<void> {
    this.#filter = filter;
    this.#turn += 1;
    this.rows.value = [];
    this.next.value = null;
    await this.#load(null);
  }

  /** Adds the next page, of older rows. */
  async more(): Promise<void> {
    if (this.next.peek() !== null && !this.isLoading.peek()) await this.#load(this.next.peek());
  }

  async #load(cursor: string | null): Promise<void> {
    const turn = this.#turn;
    this.isLoading.value = true;
    this.fault.value = null;
    try {
      const page = await this.ask(this.#filter, cursor);
      if (turn !== this.#turn) return;
      this.rows.value = [...this.rows.peek(), ...page.rows];
      this.next.value = page.next;
    } catch (error) {
      if (turn === this.#turn) this.fault.value = sentenceOf(error);
    } finally {
      if (turn === this.#turn) this.isLoading.value = false;
    }
  }
}
