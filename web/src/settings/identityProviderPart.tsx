import { useSignal } from "@preact/signals";
import { Save } from "lucide-preact";
import { companyApi, type IdentityProvider } from "../api/company";
import { t } from "../i18n/text";
import { clean } from "../text/clean";
import { Asking } from "../ui/asking";
import { Button, CopyButton } from "../ui/buttons";
import { Card } from "../ui/card";
import { Notice } from "../ui/faces";
import { Tick } from "../ui/field";
import { Form, useSubmission } from "../ui/form";
import { SavedMark } from "../ui/savedMark";
import { PasswordField, TextField } from "../ui/textField";
import type { CompanyPartProps } from "./settingsPage";

const CALLBACK_PATH = "/api/v1/sign-in/oidc/callback";

/** Who vouches for the company's people (OpenID Connect). Only owners change it: it can vouch for them, too. */
export function IdentityProviderPart({ me, answer, reload }: CompanyPartProps) {
  const provider = answer.identity_provider;
  const redirect = provider?.redirect_uri ?? `${me.origin}${CALLBACK_PATH}`;
  const isOwner = me.technician.role === "owner";
  return (
    <>
      {!isOwner && <Notice kind="info">{t("provider_owners")}</Notice>}
      <Card title={t("provider_redirect")} intro={t("provider_redirect_hint")}>
        <div class="row">
          <code class="shown-secret">{redirect}</code>
          <CopyButton text={() => redirect} label={t("copy")} kind="quiet" />
        </div>
      </Card>
      {isOwner ? (
        <ProviderCard key={provider?.issuer ?? ""} provider={provider} reload={reload} />
      ) : (
        provider !== null && (
          <Card title={clean(provider.label)}>
            <p>{clean(provider.issuer, 500)}</p>
          </Card>
        )
      )}
    </>
  );
}

function ProviderCard({ provider, reload }: { provider: IdentityProvider | null; reload: () => Promise<void> }) {
  const issuer = useSignal(provider?.issuer ?? "");
  const clientId = useSignal(provider?.client_id ?? "");
  const secret = useSignal("");
  const label = useSignal(provider?.label ?? "");
  const isPublic = useSignal(provider !== null && !provider.has_secret);
  const isRemoving = useSignal(false);
  const submission = useSubmission(["issuer", "client_id", "client_secret", "label"]);
  const save = async (): Promise<void> => {
    if (!/^https?:\/\/\S+$/.test(issuer.value.trim())) return submission.refuse("issuer", t("provider_issuer_wanted"));
    if (clientId.value.trim() === "") return submission.refuse("client_id", t("provider_client_wanted"));
    if (label.value.trim() === "") return submission.refuse("label", t("provider_label_wanted"));
    const needsSecret = !isPublic.value && secret.value === "" && provider?.has_secret !== true;
    if (needsSecret) return submission.refuse("client_secret", t("provider_secret_wanted"));
    await companyApi.setIdentityProvider({
      issuer: issuer.value.trim(),
      client_id: clientId.value.trim(),
      label: label.value.trim(),
      ...(isPublic.value ? { client_secret: "" } : secret.value !== "" && { client_secret: secret.value }),
    });
    secret.value = "";
    await reload();
  };
  return (
    <Card title={t("provider")} intro={t("provider_intro")}>
      <Notice kind="warning">{t("provider_warning")}</Notice>
      <Form submission={submission} label={t("provider")} onSend={save}>
        <div class="two-columns">
          <TextField
            label={t("provider_issuer")}
            hint={t("provider_issuer_hint")}
            type="url"
            inputMode="url"
            maxLength={500}
            value={issuer}
            error={submission.of("issuer")}
          />
          <TextField
            label={t("provider_label")}
            hint={t("provider_label_hint")}
            maxLength={60}
            value={label}
            error={submission.of("label")}
          />
          <TextField
            label={t("provider_client")}
            maxLength={255}
            value={clientId}
            error={submission.of("client_id")}
          />
          {!isPublic.value && (
            <PasswordField
              label={t("provider_secret")}
              hint={provider?.has_secret ? t("secret_kept") : undefined}
              autocomplete="off"
              value={secret}
              error={submission.of("client_secret")}
            />
          )}
        </div>
        <Tick
          label={t("provider_public")}
          hint={t("provider_public_hint")}
          checked={isPublic.value}
          onChange={(isOn) => (isPublic.value = isOn)}
        />
        <div class="row">
          <Button kind="main" type="submit" icon={Save} disabled={submission.isBusy.value}>
            {t("save")}
          </Button>
          {provider !== null && (
            <Button kind="danger" onPress={() => (isRemoving.value = true)}>
              {t("remove")}
            </Button>
          )}
          <SavedMark submission={submission} />
        </div>
      </Form>
      {isRemoving.value && (
        <Asking
          title={t("provider_remove_title")}
          confirm={t("remove")}
          isDangerous
          onConfirm={async () => {
            await companyApi.removeIdentityProvider();
            await reload();
          }}
          onClose={() => (isRemoving.value = false)}
        >
          <p>{t("provider_remove_hint")}</p>
        </Asking>
      )}
    </Card>
  );
}
