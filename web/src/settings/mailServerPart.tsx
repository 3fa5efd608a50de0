import { useSignal } from "@preact/signals";
import { MailCheck, Save } from "lucide-preact";
import { companyApi, type MailSecurity, type MailServer } from "../api/company";
import { type PlainKey, t } from "../i18n/text";
import { clean } from "../text/clean";
import { Asking } from "../ui/asking";
import { Button } from "../ui/buttons";
import { Card } from "../ui/card";
import { Notice } from "../ui/faces";
import { Field } from "../ui/field";
import { Form, useSubmission } from "../ui/form";
import { SavedMark } from "../ui/savedMark";
import { PasswordField, TextField } from "../ui/textField";
import { mailVerdict, type MailVerdict } from "./mailSentence";
import { wholeNumberOf } from "./numbers";
import type { CompanyPartProps } from "./settingsPage";

const SECURITIES: readonly { readonly name: MailSecurity; readonly word: PlainKey; readonly port: string }[] = [
  { name: "starttls", word: "security_starttls", port: "587" },
  { name: "tls", word: "security_tls", port: "465" },
  { name: "none", word: "security_none", port: "25" },
];

/** Through which server the company's mails go. */
export function MailServerPart({ me, answer, reload }: CompanyPartProps) {
  const server = answer.mail_server ?? null;
  return (
    <>
      {server === null && (
        <Notice kind="info">{t(me.mail === "smtp" ? "mail_by_relay" : "mail_by_nobody")}</Notice>
      )}
      <ServerCard key={server?.host ?? ""} server={server} reload={reload} />
      <TestCard email={me.technician.email} />
    </>
  );
}

function ServerCard({ server, reload }: { server: MailServer | null; reload: () => Promise<void> }) {
  const host = useSignal(server?.host ?? "");
  const security = useSignal<MailSecurity>(server?.security ?? "starttls");
  const port = useSignal(String(server?.port ?? 587));
  const user = useSignal(server?.user ?? "");
  const password = useSignal("");
  const sender = useSignal(server?.sender ?? "");
  const isRemoving = useSignal(false);
  const submission = useSubmission(["host", "port", "security", "user", "password", "sender"]);
  const save = async (): Promise<void> => {
    const number = wholeNumberOf(port.value, 1, 65_535);
    if (host.value.trim() === "") return submission.refuse("host", t("mail_host_wanted"));
    if (number === null) return submission.refuse("port", t("number_between", { least: 1, most: 65_535 }));
    if (!sender.value.includes("@")) return submission.refuse("sender", t("mail_sender_wanted"));
    await companyApi.setMailServer({
      host: host.value.trim(),
      port: number,
      security: security.value,
      user: user.value.trim(),
      sender: sender.value.trim(),
      ...(password.value !== "" && { password: password.value }),
    });
    password.value = "";
    await reload();
  };
  const choose = (wanted: MailSecurity): void => {
    // Only a port that nobody chose follows.
    if (SECURITIES.some((known) => known.port === port.value)) {
      port.value = SECURITIES.find((known) => known.name === wanted)?.port ?? port.value;
    }
    security.value = wanted;
  };
  return (
    <Card title={t("mail_own")} intro={t("mail_own_intro")}>
      <Form submission={submission} label={t("mail_own")} onSend={save}>
        <div class="two-columns">
          <TextField
            label={t("mail_host")}
            hint={t("mail_host_hint")}
            maxLength={253}
            value={host}
            error={submission.of("host")}
          />
          <Field label={t("security")} error={submission.of("security")}>
            {(attributes) => (
              <select
                {...attributes}
                value={security.value}
                onChange={(event) => choose(event.currentTarget.value as MailSecurity)}
              >
                {SECURITIES.map(({ name, word }) => (
                  <option key={name} value={name}>
                    {t(word)}
                  </option>
                ))}
              </select>
            )}
          </Field>
          <TextField
            label={t("mail_port")}
            type="number"
            inputMode="numeric"
            min={1}
            max={65_535}
            value={port}
            error={submission.of("port")}
          />
          <TextField
            label={t("mail_sender")}
            hint={t("mail_sender_hint")}
            type="email"
            inputMode="email"
            maxLength={300}
            value={sender}
            error={submission.of("sender")}
          />
          <TextField
            label={t("mail_user")}
            hint={t("mail_user_hint")}
            maxLength={255}
            value={user}
            error={submission.of("user")}
          />
          <PasswordField
            label={t("mail_password")}
            hint={server?.has_password ? t("secret_kept") : undefined}
            autocomplete="off"
            value={password}
            error={submission.of("password")}
          />
        </div>
        {security.value === "none" && <Notice kind="warning">{t("security_none_warning")}</Notice>}
        <div class="row">
          <Button kind="main" type="submit" icon={Save} disabled={submission.isBusy.value}>
            {t("save")}
          </Button>
          {server !== null && (
            <Button kind="danger" onPress={() => (isRemoving.value = true)}>
              {t("mail_own_remove")}
            </Button>
          )}
          <SavedMark submission={submission} />
        </div>
      </Form>
      {isRemoving.value && (
        <Asking
          title={t("mail_own_remove_title")}
          confirm={t("mail_own_remove")}
          isDangerous
          onConfirm={async () => {
            await companyApi.removeMailServer();
            await reload();
          }}
          onClose={() => (isRemoving.value = false)}
        >
          <p>{t("mail_own_remove_hint", { host: clean(server?.host) })}</p>
        </Asking>
      )}
    </Card>
  );
}

function TestCard({ email }: { email: string }) {
  const verdict = useSignal<MailVerdict | null>(null);
  const submission = useSubmission();
  const test = async (): Promise<void> => {
    verdict.value = null;
    verdict.value = mailVerdict((await companyApi.testMailServer()).mail, email);
  };
  return (
    <Card title={t("mail_test")} intro={t("mail_test_intro", { email: clean(email, 300) })}>
      {verdict.value !== null && (
        <Notice kind={verdict.value.kind} live>
          {verdict.value.sentence}
        </Notice>
      )}
      {submission.fault.value !== null && (
        <Notice kind="bad" live>
          {submission.fault.value}
        </Notice>
      )}
      <div class="row">
        <Button icon={MailCheck} disabled={submission.isBusy.value} onPress={() => void submission.send(test)}>
          {submission.isBusy.value ? t("mail_testing") : t("mail_test_send")}
        </Button>
      </div>
    </Card>
  );
}
