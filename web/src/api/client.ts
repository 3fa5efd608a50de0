/**
 * The relay's JSON API from a page. Every answer that is not a success becomes an `ApiProblem`, every failure to get
 * one an `Unreachable`; nothing else leaves these functions.
 */
import { language } from "../i18n/text";
import { clean } from "../text/clean";
import type { LinkFacts, MailResult, Me, NewSession, Session, Technician, Company, Ticket } from "./types";

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

interface Account {
  readonly technician: Technician;
  readonly company: Company;
}

export const api = {
  signIn: (email: string, password: string) => post<Account>("/api/v1/sign-in", { email, password }),
  signInByLink: (token: string) => post<Account>("/api/v1/sign-in/link", { token }),
  signOut: () => post<null>("/api/v1/sign-out", {}),
  setPassword: (password: string) => post<null>("/api/v1/me/password", { password }),
  me: () => request<Me>("GET", "/api/v1/me"),
  sessions: (ended: boolean) =>
    request<{ sessions: Session[]; now: string }>("GET", `/api/v1/sessions?ended=${ended}`),
  prepare: (session: NewSession) => post<{ session: Session; mail: MailResult }>("/api/v1/sessions", session),
  session: (id: string) => request<{ session: Session; now: string }>("GET", sessionPath(id)),
  mail: (id: string, link: string) => post<{ mail: MailResult }>(`${sessionPath(id)}/mail`, { link }),
  renewCode: (id: string) => post<{ session: Session }>(`${sessionPath(id)}/codes`, {}),
  ticket: (id: string, kinds: readonly string[]) => post<Ticket>(`${sessionPath(id)}/tickets`, { kinds }),
  wrappedKey: (id: string) => request<{ wrapped: string | null }>("GET", `${sessionPath(id)}/pairing`),
  end: (id: string) => post<{ session: Session }>(`${sessionPath(id)}/end`, {}),
  link: (invite: string) => request<LinkFacts>("GET", `/api/v1/links/${encodeURIComponent(invite)}`),
  linkOpened: (invite: string) => post<null>(`/api/v1/links/${encodeURIComponent(invite)}/opened`, {}),
};

function sessionPath(id: string): string {
  return `/api/v1/sessions/${encodeURIComponent(id)}`;
}

function post<T>(path: string, body: unknown): Promise<T> {
  return request<T>("POST", path, body);
}

/** Longer than any honest answer; without it a dead network would keep a button busy for minutes. */
const TIMEOUT_MILLISECONDS = 20_000;

async function request<T>(method: string, path: string, body?: unknown): Promise<T> {
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
      signal: AbortSignal.timeout(TIMEOUT_MILLISECONDS),
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
  );
}

function fieldError(error: unknown): [string, string] {
  const { field, message } = Object(error) as { field?: unknown; message?: unknown };
  return [clean(field), clean(message, 300)];
}
