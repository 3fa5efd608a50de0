import { useSignal } from "@preact/signals";
import { MailPlus, Pencil, ShieldOff, UserCheck, UserX } from "lucide-preact";
import { peopleApi, type Person } from "../api/company";
import type { Language, MailResult, Me, Role } from "../api/types";
import { language, t } from "../i18n/text";
import { clean } from "../text/clean";
import { formatMoment } from "../text/format";
import { Asking } from "../ui/asking";
import { Button } from "../ui/buttons";
import { Notice } from "../ui/faces";
import { useSubmission } from "../ui/form";
import { LanguageField } from "../ui/languageField";
import { TextField } from "../ui/textField";
import { RoleField } from "./roleField";
import { manageableRoles, roleWord } from "./roles";

type Wish = "edit" | "disable" | "factor";

/** One colleague, and what can be done about them. */
export function PersonLine({
  me,
  person,
  reload,
  onMailed,
}: {
  me: Me;
  person: Person;
  reload: () => Promise<void>;
  onMailed: (mail: MailResult, email: string) => void;
}) {
  const wish = useSignal<Wish | null>(null);
  const submission = useSubmission();
  const name = clean(person.name, 100);
  const isMe = person.id === me.technician.id;
  const isManageable = manageableRoles(me.technician.role).includes(person.role);
  const isDisabled = person.is_disabled === true;
  const hasFactor = person.second_factor === true || (person.passkeys ?? 0) > 0;
  const close = (): void => {
    wish.value = null;
  };
  const again = async (): Promise<void> => {
    const { mail } = await peopleApi.inviteAgain(person.id);
    onMailed(mail, person.email ?? "");
  };
  const enable = async (): Promise<void> => {
    await peopleApi.change(person.id, { is_disabled: false });
    await reload();
  };
  return (
    <li class={`thing person ${isDisabled ? "is-disabled" : ""}`} aria-label={name}>
      <div class="thing-text">
        <div class="row">
          <strong>{name}</strong>
          <span class={`badge ${person.role === "owner" || person.role === "admin" ? "waiting" : ""}`}>
            {roleWord(person.role)}
          </span>
          {isMe && <span class="badge active">{t("you")}</span>}
          {isDisabled && <span class="badge offline">{t("person_disabled")}</span>}
          {person.invited === true && !isDisabled && <span class="badge prepared">{t("person_invited")}</span>}
        </div>
        {person.email !== undefined && <span>{clean(person.email, 300)}</span>}
        <span class="soft">{aboutSentence(person)}</span>
        {submission.fault.value !== null && (
          <Notice kind="bad" live>
            {submission.fault.value}
          </Notice>
        )}
      </div>
      {isManageable && !isMe && (
        <div class="row thing-actions">
          {!isDisabled && (
            <Button kind="quiet" icon={Pencil} label={`${t("change")}: ${name}`} onPress={() => (wish.value = "edit")}>
              {t("change")}
            </Button>
          )}
          {!isDisabled && person.has_password === false && (
            <Button
              kind="quiet"
              icon={MailPlus}
              label={`${t("person_invite_again")}: ${name}`}
              disabled={submission.isBusy.value}
              onPress={() => void submission.send(again)}
            >
              {t("person_invite_again")}
            </Button>
          )}
          {!isDisabled && hasFactor && (
            <Button
              kind="quiet"
              icon={ShieldOff}
              label={`${t("person_reset_factor")}: ${name}`}
              onPress={() => (wish.value = "factor")}
            >
              {t("person_reset_factor")}
            </Button>
          )}
          {isDisabled ? (
            <Button
              kind="quiet"
              icon={UserCheck}
              label={`${t("person_enable")}: ${name}`}
              disabled={submission.isBusy.value}
              onPress={() => void submission.send(enable)}
            >
              {t("person_enable")}
            </Button>
          ) : (
            <Button
              kind="quiet"
              icon={UserX}
              label={`${t("person_disable")}: ${name}`}
              onPress={() => (wish.value = "disable")}
            >
              {t("person_disable")}
            </Button>
          )}
        </div>
      )}
      {wish.value === "edit" && <EditDialog me={me} person={person} reload={reload} onClose={close} />}
      {wish.value === "disable" && (
        <Asking
          title={t("person_disable_title", { name })}
          confirm={t("person_disable")}
          isDangerous
          onConfirm={async () => {
            await peopleApi.change(person.id, { is_disabled: true });
            await reload();
          }}
          onClose={close}
        >
          <p>{t("person_disable_hint")}</p>
        </Asking>
      )}
      {wish.value === "factor" && (
        <Asking
          title={t("person_reset_factor_title", { name })}
          confirm={t("person_reset_factor")}
          isDangerous
          onConfirm={async () => {
            await peopleApi.resetSecondFactor(person.id);
            await reload();
          }}
          onClose={close}
        >
          <p>{t("person_reset_factor_hint")}</p>
        </Asking>
      )}
    </li>
  );
}

function EditDialog({
  me,
  person,
  reload,
  onClose,
}: {
  me: Me;
  person: Person;
  reload: () => Promise<void>;
  onClose: () => void;
}) {
  const name = useSignal(person.name);
  const role = useSignal<Role>(person.role);
  const wanted = useSignal<Language>(person.language ?? "en");
  const submission = useSubmission(["name", "role", "language"]);
  return (
    <Asking
      title={t("person_edit_title", { name: clean(person.name, 100) })}
      confirm={t("save")}
      submission={submission}
      onConfirm={async () => {
        await peopleApi.change(person.id, {
          ...(name.value.trim() !== person.name && { name: name.value.trim() }),
          ...(role.value !== person.role && { role: role.value }),
          ...(wanted.value !== person.language && { language: wanted.value }),
        });
        await reload();
      }}
      onClose={onClose}
    >
      <TextField label={t("name")} maxLength={100} value={name} error={submission.of("name")} />
      <RoleField own={me.technician.role} value={role} error={submission.of("role")} />
      <LanguageField label={t("language")} value={wanted} error={submission.of("language")} />
    </Asking>
  );
}

function aboutSentence(person: Person): string {
  const parts = [
    person.signed_in_at
      ? t("person_signed_in", { moment: formatMoment(person.signed_in_at, language.value) })
      : t("person_never_signed_in"),
  ];
  if (person.second_factor !== undefined) {
    const has = person.second_factor || (person.passkeys ?? 0) > 0;
    parts.push(t(has ? "person_has_factor" : "person_no_factor"));
  }
  return parts.join(" · ");
}
