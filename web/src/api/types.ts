/** The relay's JSON as the pages read it (`/api/openapi.json`). Times are ISO 8601 in UTC; bytes base64url. */

export type Language = "en" | "es";
export type SessionState = "prepared" | "waiting" | "active" | "ended";
export type Tool = "control" | "files" | "dashboard" | "shell" | "chat";

export type Role = "owner" | "admin" | "technician" | "auditor";

/** What somebody may do; also the scopes of API tokens (`relay/people.py`). */
export type Permission =
  | "sessions.read"
  | "sessions.use"
  | "sessions.all.read"
  | "sessions.all.manage"
  | "people.read"
  | "people.manage"
  | "company.manage"
  | "audit.read"
  | "webhooks.manage"
  | "account.manage";

export interface Technician {
  readonly id: string;
  readonly name: string;
  readonly email: string;
  readonly language: Language;
  readonly role: Role;
  readonly has_password: boolean;
  readonly has_second_factor: boolean;
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
  /** `#rrggbb`, or empty for the product's own. */
  readonly colour: string;
  /** Whoever connects to a computer must say why. */
  readonly requires_reason: boolean;
}

export interface Me {
  readonly technician: Technician;
  readonly company: Company;
  readonly permissions: readonly Permission[];
  /** The company requires one: nothing but the own account answers until it is set up. */
  readonly must_set_second_factor: boolean;
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
  /** By the plan and the company's settings. */
  readonly allowed: boolean;
  /** Why it cannot be used now; null if it can. */
  readonly reason: "plan" | "company" | "access" | "not_active" | "offline" | null;
}

export interface FunnelStep {
  readonly step: string;
  readonly at: string;
}

/** What the reader may do with a session: everything; connect; connect and only watch; know of it. */
export type Access = "owner" | "full" | "view" | "read";

export interface TechnicianName {
  readonly id: string;
  readonly name: string;
}

/** A colleague who was let in. */
export interface Share {
  readonly technician: TechnicianName;
  readonly access: "full" | "view";
}

export interface Session {
  readonly id: string;
  readonly access: Access;
  /** The reader may end it, hand it over, and say who is let in. */
  readonly may_manage: boolean;
  /** Its personal data were deleted, their time being over. */
  readonly is_forgotten: boolean;
  readonly state: SessionState;
  /** A close reason's wire name. */
  readonly end_reason: string | null;
  readonly end_sentence: string | null;
  readonly removal: "none" | "pending" | "all_but_last" | "confirmed";
  readonly customer_email: string;
  readonly note: string;
  readonly language: Language;
  readonly technician: TechnicianName;
  readonly shares: readonly Share[];
  /** The customer is mailed a receipt at the end. */
  readonly wants_receipt: boolean;
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
  readonly tries_left: number;
  readonly max_tries: number;
  readonly max_codes: number;
  readonly tools: Readonly<Record<Tool, ToolState>>;
  readonly funnel: readonly FunnelStep[];
  readonly warnings: readonly string[];
  /** What became of the mail with the link; null if it was never to be mailed. */
  readonly mail: SessionMail | null;
}

/** `waiting`: it is tried again until the session lapses. */
export type MailState = "none" | "waiting" | "sent" | "outbox" | "failed" | "withdrawn";

export interface MailResult {
  readonly state: MailState;
  /** One sentence for the technician; may be empty. */
  readonly detail: string;
}

export interface SessionMail extends MailResult {
  readonly attempts: number;
  readonly at: string;
}

export type SessionSort = "newest" | "oldest" | "expires" | "customer";

/** Which sessions of a list; `""` as technician: everybody's. */
export interface SessionQuery {
  readonly scope: "mine" | "company";
  readonly state: "open" | "ended" | "all" | "prepared" | "waiting" | "active";
  readonly q: string;
  readonly technician: string;
  readonly sort: SessionSort;
}

export interface SessionsPage {
  readonly sessions: readonly Session[];
  readonly now: string;
  /** Where the next page begins; null after the last. */
  readonly next: string | null;
}

/** A tool that somebody had open. */
export interface Use {
  readonly technician: TechnicianName;
  readonly tool: string;
  readonly access: string;
  readonly reason: string;
  readonly began_at: string;
  readonly ended_at: string | null;
  readonly seconds: number | null;
  /** The relay stopped meanwhile; the end is the last it knew. */
  readonly is_estimated: boolean;
}

export interface SessionEvent {
  readonly at: string;
  readonly actor: string;
  readonly actor_name: string | null;
  readonly action: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export interface SessionHistory {
  readonly uses: readonly Use[];
  readonly events: readonly SessionEvent[];
}

/** What the customer may know about a session that ended. */
export interface Receipt {
  readonly company: string;
  readonly phone: string;
  readonly technicians: readonly string[];
  readonly language: Language;
  readonly prepared_at: string;
  readonly activated_at: string | null;
  readonly ended_at: string | null;
  readonly active_seconds: number;
  readonly end_reason: string | null;
  readonly end_sentence: string | null;
  readonly removal: Session["removal"];
  readonly uses: readonly (Omit<Use, "technician" | "reason"> & { readonly technician: string })[];
  readonly acts: readonly { readonly act: string; readonly count: number }[];
}

export interface NewSession {
  /** 16 bytes. */
  readonly invite: string;
  readonly customer_email: string;
  readonly note?: string;
  readonly language: Language;
  /** The whole deployment link, only when the relay is to mail it. */
  readonly link?: string;
  readonly wants_receipt?: boolean;
}

export interface Ticket {
  /** 32 bytes, for one connection within 30 s. */
  readonly ticket: string;
  /** Of the tunnel, `ws:` or `wss:`. */
  readonly url: string;
  readonly expires_at: string;
}

/** How far the customer's computer has come; empty before the program was downloaded. */
export type LinkStep = "" | "host_downloaded" | "started" | "asking_rights" | "waiting_code" | "wrong_code" | "active";

export type Target = "windows" | "linux" | "python";

/** A host program for customers to download. */
export interface HostFile {
  readonly target: Target;
  readonly file: string;
  readonly size: number;
  /** Of the file as the relay serves it, with no link in it. */
  readonly sha256: string;
  /** In whose name it is signed; null if it is not. */
  readonly signer: string | null;
  readonly machine: string;
  /** Versions of Python it runs on; null if it needs none. */
  readonly python: readonly string[] | null;
  readonly version: string;
  /** Linux: the oldest C library it runs on; null if that is not known. */
  readonly glibc: string | null;
  /** Whether it has a window; null: if the customer's computer has what that takes. */
  readonly window: boolean | null;
  /** Where the deployment link is written. */
  readonly blob: { readonly offset: number; readonly size: number };
}

export type DownloadFault = "missing" | "no_facts" | "bad_facts" | "other_file" | "bad_blob" | "unreadable";

/** How it stands with the program for one kind of computer. */
export interface DownloadState {
  readonly target: Target;
  readonly file: string;
  readonly host: HostFile | null;
  readonly fault: DownloadFault | null;
}

export interface LinkFacts {
  readonly company: string;
  readonly phone: string;
  /** `#rrggbb`, or empty for the product's own. */
  readonly colour: string;
  readonly has_logo: boolean;
  readonly technician: string;
  readonly language: Language;
  readonly state: "open" | "used";
  readonly step: LinkStep;
  /** The relay's clock. */
  readonly now: string;
  /** Why the program did not begin when it was last tried; see `relay/protocol/refusals.py`. */
  readonly refused: string | null;
  /** What there is to download; perhaps nothing. */
  readonly hosts: readonly HostFile[];
  /** Where a misuse can be told to whoever runs the relay. */
  readonly report_url: string | null;
  readonly expires_at: string;
}
