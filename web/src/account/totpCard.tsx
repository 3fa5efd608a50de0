import { useSignal } from "@preact/signals";
import { ShieldCheck, Smartphone } from "lucide-preact";
import { useEffect, useRef } from "preact/hooks";
import { accountApi } from "../api/account";
import { language, t } from "../i18n/text";
import { formatMoment } from "../text/format";
import { Asking } from "../ui/asking";
import { Button, CopyButton } from "../ui/buttons";
import { Card } from "../ui/card";
import { Form, useSubmission } from "../ui/form";
import { QrCode } from "../ui/qrCode";
import { StateMark } from "../ui/stateMark";
import { TextField } from "../ui/textField";
import type { Factors } from "./accountPage";
import { grouped } from "./grouped";

interface Fresh {
  readonly secret: string;
  readonly uri: string;
}

/** The authenticator app: set up with a QR code or by typing, confirmed with its first code, turned off. */
export function TotpCard({ security, reload, show }: Factors) {
  const fresh = useSignal<Fresh | null>(null);
  const asks = useSignal<"begin" | "off" | null>(null);
  const begin = async (proof: { current_password?: string }): Promise<void> => {
    fresh.value = await accountApi.beginTotp(proof);
  };
  const { is_on: isOn, confirmed_at: since } = security.totp;
  return (
    <Card title={t("totp")} intro={t("totp_intro")} aside={<StateMark isOn={isOn} />}>
      {isOn && since !== null && (
        <p class="soft">{t("totp_since", { moment: formatMoment(since, language.value) })}</p>
      )}
      {fresh.value === null ? (
        <div class="row">
          <Button
            kind={isOn || security.passkeys.length > 0 ? "plain" : "main"}
            icon={Smartphone}
            onPress={() => (asks.value = "begin")}
          >
            {t(isOn ? "totp_replace" : "totp_begin")}
          </Button>
          {isOn && (
            <Button kind="danger" onPress={() => (asks.value = "off")}>
              {t("totp_off")}
            </Button>
          )}
        </div>
      ) : (
        <Confirmation
          fresh={fresh.value}
          onConfirmed={async (codes) => {
            fresh.value = null;
            show(codes);
            await reload();
          }}
          onCancel={() => (fresh.value = null)}
        />
      )}
      {asks.value === "begin" && (
        <Asking
          title={t(isOn ? "totp_replace" : "totp_begin")}
          confirm={t("go_on")}
          needsPassword={security.has_password}
          onConfirm={begin}
          onClose={() => (asks.value = null)}
        >
          <p>{t("totp_begin_hint")}</p>
        </Asking>
      )}
      {asks.value === "off" && <TotpOff security={security} reload={reload} onClose={() => (asks.value = null)} />}
    </Card>
  );
}

function TotpOff({ security, reload, onClose }: Pick<Factors, "security" | "reload"> & { onClose: () => void }) {
  const code = useSignal("");
  const submission = useSubmission(["code", "current_password"]);
  return (
    <Asking
      title={t("totp_off_title")}
      confirm={t("totp_off")}
      isDangerous
      needsPassword={security.has_password}
      submission={submission}
      onConfirm={async (proof) => {
        await accountApi.turnTotpOff(security.has_password ? proof : { code: code.value.trim() });
        await reload();
      }}
      onClose={onClose}
    >
      <p>{t("totp_off_hint")}</p>
      {!security.has_password && (
        <TextField
          label={t("second_totp_label")}
          inputMode="numeric"
          maxLength={40}
          isSecret
          value={code}
          error={submission.of("code")}
        />
      )}
    </Asking>
  );
}

function Confirmation({
  fresh,
  onConfirmed,
  onCancel,
}: {
  fresh: Fresh;
  onConfirmed: (codes: readonly string[] | null) => Promise<void>;
  onCancel: () => void;
}) {
  const code = useSignal("");
  const submission = useSubmission(["code"]);
  const top = useRef<HTMLOListElement>(null);
  useEffect(() => top.current?.scrollIntoView({ block: "nearest" }), []);
  const confirm = async (): Promise<void> => {
    if (code.value.trim() === "") return submission.refuse("code", t("second_totp_hint"));
    const { recovery_codes: codes } = await accountApi.confirmTotp(code.value.trim());
    await onConfirmed(codes);
  };
  return (
    <ol class="setup" ref={top}>
      <li class="stack tight">
        <p>{t("totp_step_scan")}</p>
        <QrCode text={fresh.uri} label={t("totp_qr")} />
        <p class="hint">{t("totp_step_type")}</p>
        <div class="row">
          <code class="shown-secret" data-testid="totp-secret">
            {grouped(fresh.secret)}
          </code>
          <CopyButton text={() => fresh.secret} label={t("copy")} kind="quiet" />
        </div>
      </li>
      <li>
        <Form submission={submission} label={t("totp")} onSend={confirm}>
          <TextField
            label={t("totp_step_confirm")}
            hint={t("second_totp_hint")}
            inputMode="numeric"
            autocomplete="one-time-code"
            maxLength={40}
            isSecret
            value={code}
            error={submission.of("code")}
          />
          <div class="row">
            <Button kind="main" type="submit" icon={ShieldCheck} disabled={submission.isBusy.value}>
              {t("totp_confirm")}
            </Button>
            <Button onPress={onCancel}>{t("cancel")}</Button>
          </div>
        </Form>
      </li>
    </ol>
  );
}
