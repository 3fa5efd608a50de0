import { browserSupportsWebAuthn } from "@simplewebauthn/browser";
import { useSignal } from "@preact/signals";
import { Fingerprint, Trash2 } from "lucide-preact";
import { accountApi, type Passkey } from "../api/account";
import { language, t } from "../i18n/text";
import { addPasskey, passkeySentence } from "../signIn/passkeys";
import { clean } from "../text/clean";
import { formatMoment } from "../text/format";
import { Asking } from "../ui/asking";
import { Button } from "../ui/buttons";
import { Card } from "../ui/card";
import { useSubmission } from "../ui/form";
import { StateMark } from "../ui/stateMark";
import { TextField } from "../ui/textField";
import type { Factors } from "./accountPage";

/** Passkeys: which there are, a new one, away with one. */
export function PasskeysCard({ security, reload, show }: Factors) {
  const isAdding = useSignal(false);
  const removed = useSignal<Passkey | null>(null);
  const doomed = removed.value;
  return (
    <Card title={t("passkeys")} intro={t("passkeys_intro")} aside={<StateMark isOn={security.passkeys.length > 0} />}>
      {security.passkeys.length > 0 && (
        <ul class="things">
          {security.passkeys.map((passkey) => (
            <li key={passkey.id} class="thing">
              <div class="thing-text">
                <strong>{clean(passkey.name)}</strong>
                <span class="soft">{usedSentence(passkey)}</span>
              </div>
              <Button
                kind="quiet"
                icon={Trash2}
                label={t("remove_named", { name: clean(passkey.name) })}
                onPress={() => (removed.value = passkey)}
              >
                {t("remove")}
              </Button>
            </li>
          ))}
        </ul>
      )}
      {browserSupportsWebAuthn() ? (
        <div class="row">
          <Button icon={Fingerprint} onPress={() => (isAdding.value = true)}>
            {t("passkey_add")}
          </Button>
        </div>
      ) : (
        <p class="soft">{t("passkeys_unsupported")}</p>
      )}
      {isAdding.value && (
        <NewPasskey security={security} reload={reload} show={show} onClose={() => (isAdding.value = false)} />
      )}
      {doomed !== null && (
        <Asking
          title={t("passkey_remove_title", { name: clean(doomed.name) })}
          confirm={t("remove")}
          isDangerous
          needsPassword={security.has_password}
          onConfirm={async (proof) => {
            await accountApi.removePasskey(doomed.id, proof);
            await reload();
          }}
          onClose={() => (removed.value = null)}
        >
          <p>{t("passkey_remove_hint")}</p>
        </Asking>
      )}
    </Card>
  );
}

function NewPasskey({ security, reload, show, onClose }: Factors & { onClose: () => void }) {
  const name = useSignal("");
  const submission = useSubmission(["name", "current_password"], passkeySentence);
  return (
    <Asking
      title={t("passkey_add")}
      confirm={t("passkey_make")}
      needsPassword={security.has_password}
      submission={submission}
      onConfirm={async (proof) => {
        const passkey = await addPasskey(name.value.trim() || t("passkey_default_name"), proof);
        show(passkey.recovery_codes);
        await reload();
      }}
      onClose={onClose}
    >
      <p>{t("passkey_add_hint")}</p>
      <TextField
        label={t("passkey_name")}
        hint={t("passkey_name_hint")}
        maxLength={60}
        value={name}
        error={submission.of("name")}
      />
    </Asking>
  );
}

function usedSentence({ created_at: created, used_at: used }: Passkey): string {
  const made = t("made_at", { moment: formatMoment(created, language.value) });
  const last = used === null ? t("never_used") : t("last_used", { moment: formatMoment(used, language.value) });
  return `${made} · ${last}`;
}
