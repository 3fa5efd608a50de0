/** The audit log as the relay's API has it (`relay/api/audit.py`). */
import { request } from "./client";

export type AuditFields = Readonly<Record<string, unknown>>;

export interface AuditRow {
  readonly id: number;
  readonly at: string;
  readonly actor: string;
  /** Of a technician. */
  readonly actor_name: string | null;
  readonly action: string;
  readonly session_id: string | null;
  /** Null once retention deleted them. */
  readonly fields: AuditFields | null;
  readonly hash: string;
}

export interface AuditPage {
  readonly rows: readonly AuditRow[];
  readonly next: string | null;
}

export interface Verdict {
  readonly is_intact: boolean;
  readonly rows: number;
  readonly forgotten: number;
  readonly head: string;
  readonly problem: { readonly id: number; readonly sentence: string } | null;
}

/** What is asked for; empty texts ask for everything. */
export interface AuditFilter {
  /** Days of the reader's calendar, `YYYY-MM-DD`; both are included. */
  readonly from: string;
  readonly to: string;
  readonly actor: string;
  readonly action: string;
  readonly session: string;
}

export const NO_FILTER: AuditFilter = { from: "", to: "", actor: "", action: "", session: "" };

export const auditApi = {
  page: (filter: AuditFilter, cursor: string | null) =>
    request<AuditPage>("GET", `/api/v1/audit?${queryOf(filter, cursor)}`),
  verify: () => request<Verdict>("GET", "/api/v1/audit/verify"),
};

/** The address of the log as a file; the browser downloads it. */
export function exportPath(format: "csv" | "jsonl", { from, to }: AuditFilter): string {
  return `/api/v1/audit/export?format=${format}&${queryOf({ ...NO_FILTER, from, to }, null)}`.replace(/&$/, "");
}

/** A filter as the relay understands it: moments instead of days. */
export function queryOf(filter: AuditFilter, cursor: string | null): string {
  const query = new URLSearchParams();
  const put = (name: string, value: string | null): void => {
    if (value !== null && value !== "") query.set(name, value);
  };
  put("from", startOfDay(filter.from, 0));
  put("to", startOfDay(filter.to, 1));
  put("actor", filter.actor);
  put("action", filter.action);
  put("session", filter.session.trim());
  put("cursor", cursor);
  return query.toString();
}

/** The moment at which a day of this computer's calendar begins, `later` days on; null for none. */
function startOfDay(day: string, later: number): string | null {
  const parts = /^(\d{4,6})-(\d\d)-(\d\d)$/.exec(day);
  if (parts === null) return null;
  const [, year, month, date] = parts.map(Number);
  const moment = new Date(year ?? 0, (month ?? 1) - 1, (date ?? 1) + later);
  return Number.isNaN(moment.getTime()) ? null : moment.toISOString();
}
