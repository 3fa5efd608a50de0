/**
 * Preparing a session. The secrets are made here, in the browser; the deployment link's fragment reaches the relay only
 * with "Send e-mail", because then the relay is to mail it. Nothing typed is lost by an error.
 */
import { useSignal } from "@preact/signals";
import { Dices, Link2, Mail, Send } from "lucide-preact";
import { useRef } from "preact/hooks";
import { ApiProblem, api } from "../api/client";
import type { Language, MailResult, Me, Session, SessionState } from "../api/types";
import { LANGUAGES, LANGUAGE_NAMES, isLanguage, language, t, textIn } from "../i18n/text";
import { type Pending, type PendingSecrets } from "../keeping/pending";
import { linkOf, newPending, passwordFault } from "../keeping/preparation";
import { proposeAccessPassword } from "../protocol/codes";
import { formatSpan } from "../text/format";
import { mailtoUrl } from "../text/mailto";
import { Button, copyText } from "../ui/buttons";
import { sentenceOf } from "../ui/errors";
import { Notice } from "../ui/faces";
import { Field, Tick } from "../ui/field";
import { saveDraft, savedDraft } from "./preferences";

export type Way = "relay" | "copy" | "own_mail";

export interface Prepared {
  readonly session: Session;
  readonly mail: MailResult;
  readonly way: Way;
  readonly isCopied: boolean;
}

interface PrepareCardProps {
  me: Me;
  pendings: PendingSecrets;
  /** What the page knows of the session in the way of a limit. */
  stateOf: (session: string) => SessionState | undefined;
  onPrepared: (prepared: Prepared) => void;
  onShow: (session: string) => void;
}

export function PrepareCard({ me, pendings, stateOf, onPrepared, onShow }: PrepareCardProps) {
  const draft = useSignal(savedDraft());
  const password = useSignal(proposeAccessPassword());
  const customerLanguage = useSignal<Language>(language.peek());
  const keepsKeyHere = useSignal(false);
  const busy = useSignal<Way | null>(null);
  const faults = useSignal<{ email?: string; password?: string }>({});
  const refusal = useSignal<unknown>(null);
  const form = useRef<HTMLFormElement>(null);

  const change = (part: Partial<typeof draft.value>): void => {
    draft.value = { ...draft.value, ...part };
    saveDraft(draft.value);
  };

  const check = (): boolean => {
    const email = form.current?.querySelector<HTMLInputElement>("input[type=email]");
    const passwordKey = passwordFault(password.value);
    const isMailBad = draft.value.email.trim() === "" || email?.validity.valid === false;
    faults.value = {
      ...(isMailBad && { email: t("email_invalid") }),
      ...(passwordKey !== null && { password: t(passwordKey) }),
    };
    if (isMailBad) email?.focus();
    else if (passwordKey !== null) form.current?.querySelector<HTMLInputElement>("input.secret")?.focus();
    return !isMailBad && passwordKey === null;
  };

  const prepare = async (way: Way): Promise<void> => {
    refusal.value = null;
    if (busy.value !== null || !check()) return;
    busy.value = way;
    try {
      const pending = newPending(password.value, keepsKeyHere.value, Date.now());
      const link = linkOf(pending, location.origin);
      const { session, mail } = await api.prepare({
        invite: pending.invite,
        customer_email: draft.value.email.trim(),
        note: draft.value.note.trim(),
        language: customerLanguage.value,
        ...(way === "relay" && { link }),
      });
      pendings.put(session.id, pending);
      const isCopied = way === "copy" && (await copyText(link));
      if (way === "own_mail") location.href = ownMail(me, session, pending);
      change({ email: "", note: "" });
      password.value = proposeAccessPassword();
      onPrepared({ session, mail, way, isCopied });
    } catch (error) {
      refusal.value = error;
      if (error instanceof ApiProblem) {
        const email = error.fields.get("customer_email");
        if (email) faults.value = { email: t("email_invalid") };
      }
    } finally {
      busy.value = null;
    }
  };

  return (
    <section class="card prepare" aria-labelledby="prepare-title">
      <form
        ref={form}
        class="stack"
        noValidate
        autocomplete="off"
        onSubmit={(event) => {
          event.preventDefault();
          void prepare("relay");
        }}
      >
        <div>
          <h2 id="prepare-title">{t("prepare_title")}</h2>
          <p class="hint">{t("prepare_intro", { time: formatSpan(me.company.session_lifetime, language.value) })}</p>
        </div>
        <Field label={t("customer_email")} error={faults.value.email ?? null}>
          {(attributes) => (
            <input
              {...attributes}
              type="email"
              inputMode="email"
              maxLength={300}
              required
              value={draft.value.email}
              onInput={(event) => change({ email: event.currentTarget.value })}
            />
          )}
        </Field>
        <Field label={t("access_password")} hint={t("access_password_hint")} error={faults.value.password ?? null}>
          {(attributes) => (
            <div class="with-button">
              <input
                {...attributes}
                class="secret"
                type="text"
                maxLength={256}
                required
                spellcheck={false}
                autocapitalize="none"
                value={password.value}
                onInput={(event) => (password.value = event.currentTarget.value)}
              />
              <Button icon={Dices} onPress={() => (password.value = proposeAccessPassword())}>
                {t("new_proposal")}
              </Button>
            </div>
          )}
        </Field>
        <div class="two-columns">
          <Field label={`${t("note")} (${t("optional")})`} hint={t("note_hint")}>
            {(attributes) => (
              <input
                {...attributes}
                type="text"
                maxLength={500}
                value={draft.value.note}
                onInput={(event) => change({ note: event.currentTarget.value })}
              />
            )}
          </Field>
          <Field label={t("customer_language")}>
            {(attributes) => (
              <select
                {...attributes}
                value={customerLanguage.value}
                onChange={(event) => {
                  if (isLanguage(event.currentTarget.value)) customerLanguage.value = event.currentTarget.value;
                }}
              >
                {LANGUAGES.map((known) => (
                  <option key={known} value={known} lang={known}>
                    {t(LANGUAGE_NAMES[known])}
                  </option>
                ))}
              </select>
            )}
          </Field>
        </div>
        <Tick
          label={t("keep_key_here")}
          hint={t("keep_key_here_hint")}
          checked={keepsKeyHere.value}
          onChange={(checked) => (keepsKeyHere.value = checked)}
        />
        {refusal.value !== null && (
          <Refusal error={refusal.value} me={me} stateOf={stateOf} onShow={onShow} />
        )}
        <div class="prepare-actions">
          <Button kind="main" type="submit" icon={Send} disabled={busy.value !== null}>
            {busy.value === "relay" ? t("preparing") : t("send_and_prepare")}
          </Button>
          <Button icon={Link2} disabled={busy.value !== null} onPress={() => void prepare("copy")}>
            {busy.value === "copy" ? t("preparing") : t("prepare_and_copy")}
          </Button>
          <Button icon={Mail} disabled={busy.value !== null} onPress={() => void prepare("own_mail")}>
            {busy.value === "own_mail" ? t("preparing") : t("prepare_and_open_mail")}
          </Button>
        </div>
        <p class="hint">{t("mailed_by_relay_hint")}</p>
      </form>
    </section>
  );
}

/** Says what stood in the way, and leads there. */
function Refusal({
  error,
  me,
  stateOf,
  onShow,
}: {
  error: unknown;
  me: Me;
  stateOf: (session: string) => SessionState | undefined;
  onShow: (session: string) => void;
}) {
  const problem = error instanceof ApiProblem ? error : null;
  const session = problem?.session ?? null;
  const state = session === null ? undefined : stateOf(session);
  // What was in the way is gone: the form can be sent again.
  if (state === "ended") return null;
  const limit =
    problem?.limit === "sessions_per_technician"
      ? t("limit_technician", { count: me.company.max_open_per_technician })
      : problem?.limit === "sessions_per_company"
        ? t("limit_company", { count: me.company.max_open_per_company })
        : null;
  return (
    <Notice kind={limit === null ? "bad" : "warning"} live>
      <p>{limit ?? sentenceOf(error)}</p>
      {state !== undefined && session !== null && (
        <Button onPress={() => onShow(session)}>{t("go_to_session")}</Button>
      )}
    </Notice>
  );
}

/** A message in the customer's language, for the technician's own mail program. */
export function ownMail(me: Me, session: Session, pending: Pending): string {
  const { company, technician } = me;
  const subject = textIn(session.language, "mail_subject", { company: company.name });
  const body = textIn(session.language, "mail_body", {
    link: linkOf(pending, location.origin),
    technician: technician.name,
    company: company.phone === "" ? company.name : `${company.name}, ${company.phone}`,
  });
  return mailtoUrl(session.customer_email, subject, body);
}
