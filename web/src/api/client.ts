/**
 * The relay's JSON API from a page. Every answer that is not a success becomes an `ApiProblem`, every failure to get
 * one an `Unreachable`; nothing else leaves these functions.
 */
import { language } from "../i18n/text";
import { clean } from "../text/clean";
import type {
  LinkFacts,
  MailResult,
  Me,
  NewSession,
  Receipt,
  Session,
  SessionHistory,
  SessionQuery,
  SessionsPage,
  Share,
  Ticket,
} from "./types";

/** The relay said no. `message` is one sentence for a person, in their language. */
export class ApiProblem extends Error {
  constructor(
    /** HTTP status, 400 … 599. */
    readonly status: number,
    message: string,
    /** The limit that was reached, for instance `sessions_per_technician`. */
    readonly limit: string | null = null,
    /** The session in the way. */
    readonly session: string | null = null,
    /** What is wrong with which field of the request. */
    readonly fields: ReadonlyMap<string, string> = new Map(),
    /** Names what pages act upon, for instance `second_factor_required`. */
    readonly code: string | null = null,
  ) {
    super(message);
    this.name = "ApiProblem";
  }
}

/** No answer: the network or the relay is down. */
export class Unreachable extends Error {
  constructor() {
    super("The relay is unreachable.");
    this.name = "Unreachable";
  }
}

export const api = {
  signOut: () => post<null>("/api/v1/sign-out", {}),
  me: () => request<Me>("GET", "/api/v1/me"),
  sessions: (query: SessionQuery, cursor: string | null, limit: number) =>
    request<SessionsPage>("GET", `/api/v1/sessions?${searchOf({ ...query, cursor: cursor ?? "", limit: String(limit) })}`),
  prepare: (session: NewSession) => post<{ session: Session; mail: MailResult }>("/api/v1/sessions", session),
  session: (id: string) => request<{ session: Session; now: string }>("GET", sessionPath(id)),
  mail: (id: string, link: string) => post<{ mail: MailResult }>(`${sessionPath(id)}/mail`, { link }),
  renewCode: (id: string) => post<{ session: Session }>(`${sessionPath(id)}/codes`, {}),
  ticket: (id: string, kinds: readonly string[], reason: string | null = null) =>
    post<Ticket>(`${sessionPath(id)}/tickets`, reason === null ? { kinds } : { kinds, reason }),
  wrappedKey: (id: string) => request<{ wrapped: string | null }>("GET", `${sessionPath(id)}/pairing`),
  change: (id: string, part: { note?: string; wants_receipt?: boolean }) =>
    request<{ session: Session }>("PATCH", sessionPath(id), part),
  end: (id: string) => post<{ session: Session }>(`${sessionPath(id)}/end`, {}),
  revoke: (id: string) => post<{ session: Session }>(`${sessionPath(id)}/revoke`, {}),
  share: (id: string, technician: string, access: Share["access"]) =>
    request<unknown>("PUT", sharePath(id, technician), { access }),
  unshare: (id: string, technician: string) => request<unknown>("DELETE", sharePath(id, technician), {}),
  handOver: (id: string, technician: string) => post<unknown>(`${sessionPath(id)}/owner`, { technician_id: technician }),
  history: (id: string) => request<SessionHistory>("GET", `${sessionPath(id)}/history`),
  receipt: (id: string) => request<Receipt>("GET", `${sessionPath(id)}/receipt`),
  link: (invite: string) => request<LinkFacts>("GET", `/api/v1/links/${encodeURIComponent(invite)}`),
  linkReceipt: (invite: string) => request<Receipt>("GET", `/api/v1/links/${encodeURIComponent(invite)}/receipt`),
  linkOpened: (invite: string) => post<null>(`/api/v1/links/${encodeURIComponent(invite)}/opened`, {}),
};

function sessionPath(id: string): string {
  return `/api/v1/sessions/${encodeURIComponent(id)}`;
}

function sharePath(id: string, technician: string): string {
  return `${sessionPath(id)}/shares/${encodeURIComponent(technician)}`;
}

/** A query string of what is not empty. */
export function searchOf(values: Readonly<Record<string, string>>): string {
  return new URLSearchParams(Object.entries(values).filter(([, value]) => value !== "")).toString();
}

/** Sends JSON; the answer is not checked, the relay is ours. */
export function post<T>(path: string, body: unknown): Promise<T> {
  return request<T>("POST", path, body);
}

/** Longer than any honest answer; without it a dead network would keep a button busy for minutes. */
const TIMEOUT_MILLISECONDS = 20_000;

/** Any request of the API; `body` becomes JSON. `patience` in milliseconds, where an answer takes longer than others. */
export async function request<T>(
  method: string,
  path: string,
  body?: unknown,
  patience = TIMEOUT_MILLISECONDS,
): Promise<T> {
  const headers: Record<string, string> = { accept: "application/json", "accept-language": language.value };
  if (body !== undefined) {
    headers["content-type"] = "application/json";
    headers["x-adhoc-csrf"] = "1";
  }
  let response: Response;
  let text: string;
  try {
    response = await fetch(path, {
      method,
      headers,
      body: body === undefined ? null : JSON.stringify(body),
      signal: AbortSignal.timeout(patience),
      cache: "no-store",
      redirect: "error",
    });
    text = await response.text();
  } catch {
    throw new Unreachable();
  }
  const answer = parse(text);
  if (response.ok) return answer as T;
  // A proxy before a relay that is down answers with pages of its own.
  if (response.status === 502 || response.status === 503 || response.status === 504) throw new Unreachable();
  throw problemOf(response.status, answer);
}

function parse(text: string): unknown {
  try {
    return text === "" ? null : (JSON.parse(text) as unknown);
  } catch {
    return null;
  }
}

/** Reads RFC 9457 leniently: a body of any shape gives a problem. */
export function problemOf(status: number, body: unknown): ApiProblem {
  const fields = typeof body === "object" && body !== null ? (body as Record<string, unknown>) : {};
  const text = (name: string): string | null => clean(fields[name], 300) || null;
  const errors = Array.isArray(fields["errors"]) ? (fields["errors"] as unknown[]) : [];
  return new ApiProblem(
    status,
    text("detail") ?? text("title") ?? `HTTP ${status}`,
    text("limit"),
    text("session"),
    new Map(errors.map(fieldError)),
    text("code"),
  );
}

function fieldError(error: unknown): [string, string] {
  const { field, message } = Object(error) as { field?: unknown; message?: unknown };
  return [clean(field), clean(message, 300)];
}
