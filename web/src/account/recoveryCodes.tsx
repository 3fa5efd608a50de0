import { useSignal } from "@preact/signals";
import { Download, Printer, RefreshCw } from "lucide-preact";
import { useEffect, useRef } from "preact/hooks";
import { accountApi } from "../api/account";
import { counted, t } from "../i18n/text";
import { Asking } from "../ui/asking";
import { Button, CopyButton } from "../ui/buttons";
import { Card } from "../ui/card";
import { Notice } from "../ui/faces";
import type { Factors } from "./accountPage";
import { codesText } from "./grouped";

/** How few are left before it is said loudly. */
const FEW = 3;

/** Fresh codes, once. */
export function RecoveryCodes({ codes, onDone }: { codes: readonly string[]; onDone: () => void }) {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    place.current?.scrollIntoView({ block: "start" });
    place.current?.focus({ preventScroll: true });
  }, [codes]);
  const text = (): string => codesText(codes, t("recovery_file", { origin: location.origin }));
  const download = (): void => {
    const url = URL.createObjectURL(new Blob([text()], { type: "text/plain" }));
    const link = document.createElement("a");
    link.href = url;
    link.download = "recovery-codes.txt";
    link.click();
    URL.revokeObjectURL(url);
  };
  return (
    <div ref={place} tabIndex={-1} class="fresh-codes">
      <Card title={t("recovery_new")} intro={t("recovery_new_hint")}>
        <ol class="recovery-codes" aria-label={t("recovery")}>
          {codes.map((code) => (
            <li key={code}>
              <code>{code}</code>
            </li>
          ))}
        </ol>
        <div class="row unprinted">
          <CopyButton text={text} label={t("copy")} />
          <Button icon={Download} onPress={download}>
            {t("download")}
          </Button>
          <Button icon={Printer} onPress={() => print()}>
            {t("print")}
          </Button>
          <Button kind="main" onPress={onDone}>
            {t("recovery_kept")}
          </Button>
        </div>
      </Card>
    </div>
  );
}

/** How many are left, and new ones. */
export function RecoveryCodesCard({ security, reload, show }: Factors) {
  const asks = useSignal(false);
  const left = security.recovery_codes_left;
  return (
    <Card title={t("recovery")} intro={t("recovery_intro")}>
      {left <= FEW ? (
        <Notice kind="warning">{counted("recovery_left", left)}</Notice>
      ) : (
        <p>{counted("recovery_left", left)}</p>
      )}
      <div class="row">
        <Button icon={RefreshCw} onPress={() => (asks.value = true)}>
          {t("recovery_renew")}
        </Button>
      </div>
      {asks.value && (
        <Asking
          title={t("recovery_renew")}
          confirm={t("recovery_renew")}
          needsPassword={security.has_password}
          onConfirm={async (proof) => {
            show((await accountApi.renewRecoveryCodes(proof)).recovery_codes);
            await reload();
          }}
          onClose={() => (asks.value = false)}
        >
          <p>{t("recovery_renew_hint")}</p>
        </Asking>
      )}
    </Card>
  );
}
