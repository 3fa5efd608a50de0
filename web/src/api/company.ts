/** The company, its people, and where its mail and events go, as the relay's API has them (`relay/api/company.py` and others). */
import { post, request } from "./client";
import type { Company, Language, MailResult, Role } from "./types";

/** A colleague; what stands there depends on who asks. */
export interface Person {
  readonly id: string;
  readonly name: string;
  readonly role: Role;
  /** From here on only for whoever may manage people. */
  readonly email?: string;
  readonly language?: Language;
  readonly has_password?: boolean;
  readonly second_factor?: boolean;
  readonly passkeys?: number;
  readonly is_disabled?: boolean;
  /** Has an invitation and never signed in. */
  readonly invited?: boolean;
  readonly signed_in_at?: string | null;
}

export interface NewPerson {
  readonly name: string;
  readonly email: string;
  readonly role: Role;
  readonly language: Language;
}

export interface PersonChange {
  readonly name?: string;
  readonly role?: Role;
  readonly language?: Language;
  readonly is_disabled?: boolean;
}

/** What only the settings need to know of a company. */
export interface CompanySettings extends Company {
  /** `#rrggbb`; empty: the product's own. */
  readonly colour: string;
  readonly has_logo: boolean;
  readonly requires_reason: boolean;
  /** With the Dashboard, technicians have a shell on the computer. */
  readonly allows_shell: boolean;
  readonly requires_second_factor: boolean;
  readonly retention_days: number;
}

export type MailSecurity = "none" | "starttls" | "tls";

export interface MailServer {
  readonly host: string;
  readonly port: number;
  readonly security: MailSecurity;
  readonly user: string;
  readonly has_password: boolean;
  readonly sender: string;
}

export interface NewMailServer {
  readonly host: string;
  readonly port: number;
  readonly security: MailSecurity;
  readonly user: string;
  /** Left out: as it was. */
  readonly password?: string;
  readonly sender: string;
}

export interface IdentityProvider {
  readonly issuer: string;
  readonly client_id: string;
  readonly label: string;
  readonly has_secret: boolean;
  /** To be registered at the issuer. */
  readonly redirect_uri: string;
}

export interface NewIdentityProvider {
  readonly issuer: string;
  readonly client_id: string;
  /** Left out: as it was; empty: a public client. */
  readonly client_secret?: string;
  readonly label: string;
}

export interface CompanyAnswer {
  readonly company: CompanySettings;
  readonly mail_server?: MailServer | null;
  readonly identity_provider: IdentityProvider | null;
}

export type CompanyChange = Partial<Omit<CompanySettings, "id" | "has_logo">>;

export interface Webhook {
  readonly id: string;
  readonly url: string;
  readonly events: readonly string[];
  readonly is_enabled: boolean;
}

export interface Delivery {
  readonly id: string;
  readonly event: string;
  readonly state: string;
  readonly attempts: number;
  readonly created_at: string;
  readonly due_at: string | null;
  /** The HTTP status of the last answer, if there was one. */
  readonly last_status: number | null;
  readonly detail: string;
}

/** Milliseconds; the relay gives a mail server that does not answer about a minute. */
const MAIL_PATIENCE = 90_000;

const personPath = (id: string): string => `/api/v1/people/${encodeURIComponent(id)}`;
const webhookPath = (id: string): string => `/api/v1/webhooks/${encodeURIComponent(id)}`;

export const peopleApi = {
  list: () => request<{ people: Person[] }>("GET", "/api/v1/people"),
  invite: (person: NewPerson) => post<{ person: Person; mail: MailResult }>("/api/v1/people", person),
  change: (id: string, change: PersonChange) => request<unknown>("PATCH", personPath(id), change),
  inviteAgain: (id: string) => post<{ mail: MailResult }>(`${personPath(id)}/invitation`, {}),
  resetSecondFactor: (id: string) => post<null>(`${personPath(id)}/second-factor/reset`, {}),
};

export const companyApi = {
  get: () => request<CompanyAnswer>("GET", "/api/v1/company"),
  change: (change: CompanyChange) => request<unknown>("PATCH", "/api/v1/company", change),
  setLogo: (mediaType: string, image: string) =>
    request<unknown>("PUT", "/api/v1/company/logo", { media_type: mediaType, image }),
  removeLogo: () => request<null>("DELETE", "/api/v1/company/logo", {}),
  setMailServer: (server: NewMailServer) => request<unknown>("PUT", "/api/v1/company/mail-server", server),
  removeMailServer: () => request<null>("DELETE", "/api/v1/company/mail-server", {}),
  testMailServer: () =>
    request<{ mail: MailResult }>("POST", "/api/v1/company/mail-server/test", {}, MAIL_PATIENCE),
  setIdentityProvider: (provider: NewIdentityProvider) =>
    request<{ identity_provider: IdentityProvider }>("PUT", "/api/v1/company/identity-provider", provider),
  removeIdentityProvider: () => request<null>("DELETE", "/api/v1/company/identity-provider", {}),
};

export const webhooksApi = {
  list: () => request<{ webhooks: Webhook[] }>("GET", "/api/v1/webhooks"),
  add: (url: string, events: readonly string[]) =>
    post<{ webhook: Webhook; secret: string }>("/api/v1/webhooks", { url, events }),
  change: (id: string, change: { url?: string; events?: readonly string[]; is_enabled?: boolean }) =>
    request<unknown>("PATCH", webhookPath(id), change),
  remove: (id: string) => request<null>("DELETE", webhookPath(id), {}),
  test: (id: string) => post<unknown>(`${webhookPath(id)}/test`, {}),
  deliveries: (id: string) => request<{ deliveries: Delivery[] }>("GET", `${webhookPath(id)}/deliveries`),
  retry: (id: string, delivery: string) =>
    post<unknown>(`${webhookPath(id)}/deliveries/${encodeURIComponent(delivery)}/retry`, {}),
};

