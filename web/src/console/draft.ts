/** What stands in the form for the next session. It outlives the page of the form; the password stays in memory only. */
import { signal } from "@preact/signals";
import type { Session } from "../api/types";
import { proposeAccessPassword } from "../protocol/codes";
import { NO_DRAFT, saveDraft, savedDraft, type Draft } from "./preferences";

export class PrepareDraft {
  readonly fields = signal<Draft>(savedDraft());
  readonly password = signal(proposeAccessPassword());

  change(part: Partial<Draft>): void {
    this.fields.value = { ...this.fields.peek(), ...part };
    saveDraft(this.fields.peek());
  }

  proposePassword(): void {
    this.password.value = proposeAccessPassword();
  }

  /** The session was prepared: the next one is for somebody else, perhaps in the same language. */
  clear(): void {
    this.change({ ...NO_DRAFT, language: this.fields.peek().language });
    this.proposePassword();
  }

  /** What was typed for a session that was revoked, to prepare it anew. */
  refill(session: Pick<Session, "customer_email" | "note" | "language" | "wants_receipt">, password: string | null): void {
    const { customer_email: email, note, language, wants_receipt: wantsReceipt } = session;
    this.change({ email, note, language, wantsReceipt });
    if (password !== null) this.password.value = password;
  }
}
