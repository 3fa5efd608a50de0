/** The customer's page behind a deployment link: what the link leads to, as it is now. */
import { useSignal } from "@preact/signals";
import { Link2Off, MonitorCheck, PackageX, WifiOff } from "lucide-preact";
import { useEffect } from "preact/hooks";
import { isLanguage, language, t } from "../i18n/text";
import { clean } from "../text/clean";
import { Button } from "../ui/buttons";
import { Loading } from "../ui/faces";
import { LanguageSwitch } from "../ui/language";
import { ReceiptPaper } from "../receipt/receipt";
import { Branded, Logo, type Brand } from "./brand";
import { follow } from "./following";
import { Guide, Phone } from "./guide";
import { HandheldStop } from "./handheld";
import { Stop } from "./stop";
import { isHandheld, visit, type Visit } from "./visit";

export function CustomerPage() {
  const state = useSignal<Visit>({ kind: "loading" });
  const hasBegun = useSignal(false);
  const load = async (): Promise<void> => {
    const found = await visit(location);
    // The customer's own choice of a language, once made, stays.
    if (state.peek().kind === "loading") speak(found);
    state.value = found;
  };
  const begin = (): void => {
    state.value = { kind: "loading" };
    void load();
  };
  useEffect(() => {
    begin();
    // Whoever comes back to the page may find that the session has begun, or ended, in the meantime.
    const seen = (): void => {
      if (document.visibilityState === "visible" && (state.peek().kind === "used" || state.peek().kind === "ended")) void load();
    };
    // Pasting the complete link over an incomplete one changes the fragment only.
    addEventListener("hashchange", begin);
    document.addEventListener("visibilitychange", seen);
    return () => {
      removeEventListener("hashchange", begin);
      document.removeEventListener("visibilitychange", seen);
    };
  }, []);
  const invite = state.value.kind === "open" ? state.value.invite : null;
  useEffect(() => {
    if (invite === null) return undefined;
    return follow(invite, (facts) => {
      const now = state.peek();
      if (now.kind !== "open") return;
      if (facts?.state === "used") hasBegun.value = true;
      if (facts === null || facts.state === "used") void load();
      else state.value = { ...now, facts };
    });
  }, [invite]);
  const brand = brandOf(state.value);
  return (
    <Branded brand={brand}>
      <header class="customer-head">
        <Logo brand={brand} />
        <LanguageSwitch />
      </header>
      <main>
        <Content state={state.value} hasBegun={hasBegun.value} onRetry={begin} />
      </main>
    </Branded>
  );
}

function speak(found: Visit): void {
  const wanted = found.kind === "ended" ? found.receipt.language : "facts" in found ? found.facts.language : null;
  if (isLanguage(wanted)) language.value = wanted;
}

function brandOf(found: Visit): Brand | null {
  return "facts" in found ? { ...found.facts, invite: found.invite } : null;
}

/** `hasBegun`: this page was there when the link was used, so most likely it was used on this computer. */
function Content({ state, hasBegun, onRetry }: { state: Visit; hasBegun: boolean; onRetry: () => void }) {
  const isSurelyHere = useSignal(false);
  switch (state.kind) {
    case "loading":
      return <Loading />;
    case "incomplete":
      return <Stop icon={Link2Off} title={t("customer_incomplete")} hint={t("customer_incomplete_hint")} />;
    case "lapsed":
      return <Stop icon={Link2Off} title={t("customer_lapsed")} hint={t("customer_lapsed_hint")} />;
    case "offline":
      return (
        <Stop icon={WifiOff} title={t("customer_offline")} hint={t("customer_offline_hint")}>
          <Button kind="main" onPress={onRetry}>
            {t("retry")}
          </Button>
        </Stop>
      );
    case "ended":
      document.title = t("receipt_title", { company: clean(state.receipt.company) });
      return <ReceiptPaper receipt={state.receipt} heading="h1" />;
    case "used":
      if (hasBegun) return <Stop icon={MonitorCheck} title={t("customer_running")} hint={t("customer_running_hint")} />;
      return (
        <Stop icon={MonitorCheck} title={t("customer_used")} hint={t("customer_used_hint")}>
          <Phone facts={state.facts} />
        </Stop>
      );
    case "open":
      if (state.facts.hosts.length === 0) {
        return (
          <Stop icon={PackageX} title={t("customer_no_host")} hint={t("customer_no_host_hint")}>
            <Phone facts={state.facts} />
          </Stop>
        );
      }
      if (isHandheld(navigator) && !isSurelyHere.value) {
        return <HandheldStop link={state.link} onStay={() => (isSurelyHere.value = true)} />;
      }
      return <Guide facts={state.facts} invite={state.invite} link={state.link} />;
  }
}
