/**
 * Preparing a session. The secrets are made here, in the browser; the deployment link's fragment reaches the relay only
 * with "Send e-mail", because then the relay is to mail it. Nothing typed is lost by an error.
 */
import { useSignal } from "@preact/signals";
import { Dices, Link2, Mail, Send } from "lucide-preact";
import { useRef } from "preact/hooks";
import { ApiProblem, api } from "../api/client";
import type { MailResult, Me, Session } from "../api/types";
import { LANGUAGES, LANGUAGE_NAMES, isLanguage, language, t } from "../i18n/text";
import { linkOf, newPending, passwordFault } from "../keeping/preparation";
import { formatSpan } from "../text/format";
import { Button, copyText } from "../ui/buttons";
import { Field, Tick } from "../ui/field";
import type { Desk } from "./desk";
import { MissingPrograms } from "./missingPrograms";
import { ownMail } from "./ownMail";
import { Refusal } from "./refusal";

export type Way = "relay" | "copy" | "own_mail";

export interface Prepared {
  readonly session: Session;
  readonly mail: MailResult;
  readonly way: Way;
  readonly isCopied: boolean;
}

interface PrepareCardProps {
  me: Me;
  desk: Desk;
  onPrepared: (prepared: Prepared) => void;
  onShow: (session: string) => void;
}

/** What is wrong with which field. */
interface Faults {
  readonly email?: string;
  readonly password?: string;
  readonly note?: string;
}

export function PrepareCard({ me, desk, onPrepared, onShow }: PrepareCardProps) {
  const { fields: draft, password } = desk.draft;
  const customerLanguage = draft.value.language ?? language.value;
  const keepsKeyHere = useSignal(false);
  const busy = useSignal<Way | null>(null);
  const faults = useSignal<Faults>({});
  const refusal = useSignal<unknown>(null);
  const form = useRef<HTMLFormElement>(null);
  /** Says what is wrong beside the fields, and brings the keyboard to the first; resolves to whether all is well. */
  const tell = (found: Faults): boolean => {
    faults.value = found;
    const isGood = Object.keys(found).length === 0;
    if (!isGood) requestAnimationFrame(() => form.current?.querySelector<HTMLElement>("[aria-invalid=true]")?.focus());
    return isGood;
  };
  const check = (): boolean => {
    const email = form.current?.querySelector<HTMLInputElement>("input[type=email]");
    const passwordKey = passwordFault(password.value);
    const isMailBad = draft.value.email.trim() === "" || email?.validity.valid === false;
    return tell({
      ...(isMailBad && { email: t("email_invalid") }),
      ...(passwordKey !== null && { password: t(passwordKey) }),
    });
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
        language: customerLanguage,
        ...(draft.value.wantsReceipt && { wants_receipt: true }),
        ...(way === "relay" && { link }),
      });
      desk.pendings.put(session.id, pending);
      const isCopied = way === "copy" && (await copyText(link));
      if (way === "own_mail") location.href = ownMail(me, session, pending);
      desk.draft.clear();
      onPrepared({ session, mail, way, isCopied });
    } catch (error) {
      const beside = error instanceof ApiProblem ? faultsOf(error) : {};
      if (tell(beside)) refusal.value = error;
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
        <MissingPrograms me={me} />
        <Field label={t("customer_email")} error={faults.value.email ?? null}>
          {(attributes) => (
            <input
              {...attributes}
              type="email"
              inputMode="email"
              maxLength={300}
              required
              value={draft.value.email}
              onInput={(event) => desk.draft.change({ email: event.currentTarget.value })}
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
              <Button icon={Dices} onPress={() => desk.draft.proposePassword()}>
                {t("new_proposal")}
              </Button>
            </div>
          )}
        </Field>
        <div class="prepare-pair">
          <Field label={`${t("note")} (${t("optional")})`} hint={t("note_hint")} error={faults.value.note ?? null}>
            {(attributes) => (
              <input
                {...attributes}
                type="text"
                maxLength={500}
                value={draft.value.note}
                onInput={(event) => desk.draft.change({ note: event.currentTarget.value })}
              />
            )}
          </Field>
          <Field label={t("customer_language")}>
            {(attributes) => (
              <select
                {...attributes}
                value={customerLanguage}
                onChange={(event) => {
                  if (isLanguage(event.currentTarget.value)) desk.draft.change({ language: event.currentTarget.value });
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
          label={t("wants_receipt")}
          hint={t("wants_receipt_hint")}
          checked={draft.value.wantsReceipt}
          onChange={(wantsReceipt) => desk.draft.change({ wantsReceipt })}
        />
        <Tick
          label={t("keep_key_here")}
          hint={t("keep_key_here_hint")}
          checked={keepsKeyHere.value}
          onChange={(checked) => (keepsKeyHere.value = checked)}
        />
        {refusal.value !== null && (
          <Refusal error={refusal.value} me={me} desk={desk} onShow={onShow} />
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

/** The relay's messages about fields that stand in the form. */
function faultsOf({ fields }: ApiProblem): Faults {
  const email = fields.get("customer_email");
  const note = fields.get("note");
  return { ...(email !== undefined && { email }), ...(note !== undefined && { note }) };
}
