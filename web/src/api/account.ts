/** Signing in, and one's own account, as the relay's API has them (`relay/api/sign_in.py`, `account.py`, `tokens.py`). */
import type {
  PublicKeyCredentialCreationOptionsJSON,
  PublicKeyCredentialRequestOptionsJSON,
} from "@simplewebauthn/browser";
import { post, request } from "./client";
import type { Company, Language, Me, Permission, Technician } from "./types";

export type Way = "totp" | "passkey" | "recovery";

/** What still stands before the cookie; worth something for five minutes and five tries. */
export interface Challenge {
  readonly token: string;
  readonly ways: readonly Way[];
}

export interface SignedIn {
  readonly technician: Technician;
  readonly company: Company;
  readonly permissions: readonly Permission[];
}

/** Either the cookie came along, or a second factor is asked for. */
export interface SignInAnswer {
  readonly signed_in: SignedIn | null;
  readonly challenge: Challenge | null;
}

export interface Invitation {
  readonly company: string;
  readonly name: string;
  readonly email: string;
  readonly purpose: "invitation" | "reset";
}

export interface Acceptance {
  readonly token: string;
  readonly password: string;
  readonly name?: string;
  readonly language?: Language;
}

export const signInApi = {
  byPassword: (email: string, password: string) => post<SignInAnswer>("/api/v1/sign-in", { email, password }),
  byLink: (token: string) => post<SignInAnswer>("/api/v1/sign-in/link", { token }),
  byCode: (token: string, way: "totp" | "recovery", code: string) =>
    post<SignInAnswer>("/api/v1/sign-in/second", { token, way, code }),
  passkeyOptions: (challenge: string | null) =>
    post<{ token: string; options: PublicKeyCredentialRequestOptionsJSON }>(
      "/api/v1/sign-in/passkey/options",
      challenge === null ? {} : { token: challenge },
    ),
  byPasskey: (token: string, credential: object) =>
    post<SignInAnswer>("/api/v1/sign-in/passkey", { token, credential }),
  providers: (email: string) =>
    request<{ providers: { id: string; label: string }[] }>(
      "GET",
      `/api/v1/sign-in/providers?email=${encodeURIComponent(email)}`,
    ),
  askForReset: (email: string) => post<null>("/api/v1/sign-in/reset", { email }),
  look: (token: string) => post<Invitation>("/api/v1/invitations/look", { token }),
  accept: (acceptance: Acceptance) => post<SignInAnswer>("/api/v1/invitations/accept", acceptance),
};

/** The current password, from whoever has one. */
export interface Proof {
  readonly current_password?: string;
}

export interface Passkey {
  readonly id: string;
  readonly name: string;
  readonly created_at: string;
  readonly used_at: string | null;
}

export interface SignedInBrowser {
  /** Null: from before there was a list; it ends by itself. */
  readonly id: string | null;
  readonly agent: string;
  readonly way: string;
  readonly created_at: string | null;
  readonly seen_at: string;
  readonly is_current: boolean;
}

export interface Security {
  readonly has_password: boolean;
  readonly totp: { readonly is_on: boolean; readonly confirmed_at: string | null };
  readonly passkeys: readonly Passkey[];
  readonly recovery_codes_left: number;
  readonly browsers: readonly SignedInBrowser[];
}

export interface ApiToken {
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly Permission[];
  readonly created_at: string;
  readonly expires_at: string;
  readonly used_at: string | null;
}

export interface NewApiToken {
  readonly name: string;
  readonly scopes: readonly Permission[];
  /** 1 … 366. */
  readonly days: number;
}

/** Shown once; null: those from before still hold. */
interface Codes {
  readonly recovery_codes: readonly string[] | null;
}

export const accountApi = {
  security: () => request<Security>("GET", "/api/v1/me/security"),
  change: (part: { name?: string; language?: Language }) => request<Me>("PATCH", "/api/v1/me", part),
  setPassword: (password: string, proof: Proof) => post<null>("/api/v1/me/password", { password, ...proof }),
  beginTotp: (proof: Proof) => post<{ secret: string; uri: string }>("/api/v1/me/totp", proof),
  confirmTotp: (code: string) => post<Codes>("/api/v1/me/totp/confirm", { code }),
  turnTotpOff: (proof: Proof & { code?: string }) => post<null>("/api/v1/me/totp/off", proof),
  renewRecoveryCodes: (proof: Proof) => post<Codes>("/api/v1/me/recovery-codes", proof),
  passkeyOptions: (proof: Proof) =>
    post<{ token: string; options: PublicKeyCredentialCreationOptionsJSON }>("/api/v1/me/passkeys/options", proof),
  addPasskey: (token: string, name: string, credential: object) =>
    post<Passkey & Codes>("/api/v1/me/passkeys", { token, name, credential }),
  removePasskey: (id: string, proof: Proof) =>
    request<null>("DELETE", `/api/v1/me/passkeys/${encodeURIComponent(id)}`, proof),
  signOutBrowser: (id: string) => request<null>("DELETE", `/api/v1/me/browsers/${encodeURIComponent(id)}`, {}),
  signOutOthers: () => post<null>("/api/v1/me/browsers/sign-out-others", {}),
  tokens: () => request<{ tokens: ApiToken[] }>("GET", "/api/v1/me/tokens"),
  addToken: (token: NewApiToken) => post<{ token: string; info: ApiToken }>("/api/v1/me/tokens", token),
  removeToken: (id: string) => request<null>("DELETE", `/api/v1/me/tokens/${encodeURIComponent(id)}`, {}),
};
