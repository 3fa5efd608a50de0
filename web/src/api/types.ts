/** The relay's JSON as the pages read it (`/api/openapi.json`). Times are ISO 8601 in UTC; bytes base64url. */

export type Language = "en" | "es";
export type SessionState = "prepared" | "waiting" | "active" | "ended";
export type Tool = "control" | "files" | "dashboard" | "chat";

export interface Technician {
  readonly id: string;
  readonly name: string;
  readonly email: string;
  readonly language: Language;
  readonly has_password: boolean;
}

export interface Company {
  readonly id: string;
  readonly name: string;
  readonly phone: string;
  readonly plan: string;
  readonly has_insight: boolean;
  readonly max_open_per_technician: number;
  readonly max_open_per_company: number;
  /** Seconds from activation to the end. */
  readonly session_lifetime: number;
  /** Seconds from preparing to lapsing. */
  readonly preparation_timeout: number;
}

export interface Me {
  readonly technician: Technician;
  readonly company: Company;
  /** Whether the relay can send mail, or keeps it in a folder. */
  readonly mail: "smtp" | "outbox";
  readonly origin: string;
  readonly now: string;
}

/** What a host says about its computer. Untrusted: show it through `clean` only. */
export interface HostFacts {
  readonly online: boolean;
  readonly computer: string;
  readonly os: string;
  readonly user: string;
}

export interface ToolState {
  readonly allowed: boolean;
  /** A close reason's wire name, for instance `plan`; null if allowed. */
  readonly reason: string | null;
}

export interface FunnelStep {
  readonly step: string;
  readonly at: string;
}

export interface Session {
  readonly id: string;
  readonly state: SessionState;
  /** A close reason's wire name. */
  readonly end_reason: string | null;
  readonly end_sentence: string | null;
  readonly removal: "none" | "pending" | "confirmed";
  readonly customer_email: string;
  readonly note: string;
  readonly language: Language;
  readonly technician: { readonly id: string; readonly name: string };
  readonly created_at: string;
  readonly lapse_at: string;
  readonly activated_at: string | null;
  readonly expires_at: string | null;
  readonly ended_at: string | null;
  readonly host: HostFacts | null;
  readonly viewers: number;
  /** Which security code is current, from 1. */
  readonly code: number;
  /** Tries counted of it. */
  readonly tries: number;
  readonly max_tries: number;
  readonly max_codes: number;
  readonly tools: Readonly<Record<Tool, ToolState>>;
  readonly funnel: readonly FunnelStep[];
  readonly warnings: readonly string[];
}

export interface MailResult {
  readonly state: "sent" | "outbox" | "failed" | "none";
  readonly detail: string;
}

export interface NewSession {
  /** 16 bytes. */
  readonly invite: string;
  readonly customer_email: string;
  readonly note?: string;
  readonly language: Language;
  /** The whole deployment link, only when the relay is to mail it. */
  readonly link?: string;
}

export interface Ticket {
  /** 32 bytes, for one connection within 30 s. */
  readonly ticket: string;
  /** Of the tunnel, `ws:` or `wss:`. */
  readonly url: string;
  readonly expires_at: string;
}

export interface LinkFacts {
  readonly company: string;
  readonly phone: string;
  readonly technician: string;
  readonly language: Language;
  readonly state: "open" | "used";
  readonly host: {
    readonly file: string;
    readonly size: number;
    readonly sha256: string;
    readonly python: readonly string[];
  } | null;
  readonly expires_at: string;
}
