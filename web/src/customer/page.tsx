/** The customer's page behind a deployment link: who is asking, one button, one line, and what happens next. */
import { useSignal } from "@preact/signals";
import { Download, Link2Off, MonitorCheck, MonitorSmartphone, PackageX, ShieldAlert, WifiOff } from "lucide-preact";
import { useEffect } from "preact/hooks";
import type { LinkFacts } from "../api/types";
import { isLanguage, language, t } from "../i18n/text";
import { clean } from "../text/clean";
import { formatMoment, formatSize } from "../text/format";
import { downloadedHostCommand, hostCommand } from "../text/shell";
import { Button, CopyButton } from "../ui/buttons";
import { Face, Loading, Notice } from "../ui/faces";
import { Icon, type IconType } from "../ui/icon";
import { LanguageSwitch } from "../ui/language";
import { ReceiptPaper } from "../receipt/receipt";
import { Branded, Logo, type Brand } from "./brand";
import { follow } from "./following";
import { NextSteps } from "./nextSteps";
import { findObstacles, type Obstacle } from "./preflight";
import { isHandheld, visit, type Visit } from "./visit";

export function CustomerPage() {
  const state = useSignal<Visit>({ kind: "loading" });
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
        <Content state={state.value} onRetry={begin} />
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

function Content({ state, onRetry }: { state: Visit; onRetry: () => void }) {
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
      return (
        <Stop icon={MonitorCheck} title={t("customer_used")} hint={t("customer_used_hint")}>
          <Phone facts={state.facts} />
        </Stop>
      );
    case "open": {
      const host = state.facts.hosts.find(({ target }) => target === "python");
      if (host === undefined) {
        return (
          <Stop icon={PackageX} title={t("customer_no_host")} hint={t("customer_no_host_hint")}>
            <Phone facts={state.facts} />
          </Stop>
        );
      }
      if (isHandheld(navigator) && !isSurelyHere.value) {
        return (
          <Stop icon={MonitorSmartphone} title={t("customer_on_phone")} hint={t("customer_on_phone_hint")}>
            <Button onPress={() => (isSurelyHere.value = true)}>{t("customer_on_phone_anyway")}</Button>
          </Stop>
        );
      }
      return <Guide facts={state.facts} size={host.size} invite={state.invite} link={state.link} />;
    }
  }
}

/** The one thing to know when there is nothing to do here. */
function Stop({
  icon,
  title,
  hint,
  children,
}: {
  icon: IconType;
  title: string;
  hint: string;
  children?: preact.ComponentChildren;
}) {
  document.title = title;
  return (
    <div class="card">
      <Face icon={icon} title={title} heading="h1">
        <p>{hint}</p>
        {children}
      </Face>
    </div>
  );
}

function Phone({ facts }: { facts: LinkFacts }) {
  const phone = clean(facts.phone, 40);
  if (phone === "") return null;
  return <p class="tabular">{t("customer_phone", { phone })}</p>;
}

function Guide({ facts, size, invite, link }: { facts: LinkFacts; size: number; invite: string; link: string }) {
  const company = clean(facts.company);
  const title = t("customer_title", { company });
  document.title = title;
  const line = hostCommand(location.origin, invite, link);
  const downloaded = downloadedHostCommand(link);
  const obstacles = useSignal<readonly Obstacle[]>([]);
  useEffect(() => {
    let isGone = false;
    void findObstacles(facts, navigator, location.origin, Date.now()).then((found) => {
      if (!isGone) obstacles.value = found;
    });
    return () => {
      isGone = true;
    };
  }, []);
  // Once the program runs, there is nothing to do on this page but to follow it.
  const isRunning = facts.step !== "" && facts.step !== "host_downloaded";
  return (
    <>
      {isRunning && <NextSteps step={facts.step} />}
      <section class="card stack" aria-labelledby="who">
        <h1 id="who">{title}</h1>
        <p class="lead">{t("customer_who", { technician: clean(facts.technician), company })}</p>
        <Phone facts={facts} />
        <div class="stranger" role="note" aria-labelledby="stranger">
          <Icon as={ShieldAlert} size={28} />
          <div>
            <h2 id="stranger">{t("customer_warning_title")}</h2>
            <p>{t("customer_warning")}</p>
          </div>
        </div>
        {obstacles.value.map((obstacle) => (
          <ObstacleNotice key={obstacle.kind} obstacle={obstacle} company={company} />
        ))}
        <a class="button main big" href={`/d/${invite}/adhoc-host.pyz`} download="adhoc-host.pyz">
          <Icon as={Download} size={24} />
          <span>{t("customer_download_file", { size: formatSize(size, language.value) })}</span>
        </a>
        <p class="hint">
          {t("customer_valid_until", { moment: formatMoment(facts.expires_at, language.value) })}
        </p>
      </section>
      <section class="card stack" aria-labelledby="start">
        <h2 id="start">{t("customer_or_line")}</h2>
        <p>{t("customer_line_hint")}</p>
        <Line line={line} />
        <details>
          <summary>{t("customer_file_hint")}</summary>
          <Line line={downloaded} />
        </details>
      </section>
      {!isRunning && <NextSteps step={facts.step} />}
    </>
  );
}

function ObstacleNotice({ obstacle, company }: { obstacle: Obstacle; company: string }) {
  const sentence = (): string => {
    switch (obstacle.kind) {
      case "clock":
        return t("customer_clock", { minutes: obstacle.minutes });
      case "network":
        return t("customer_network", { company, host: location.host });
      case "system":
        return obstacle.system === "other"
          ? t("customer_system_other")
          : t("customer_system", { system: obstacle.system === "mac" ? "macOS" : "Windows" });
    }
  };
  return (
    <Notice kind="warning" live>
      <p>{sentence()}</p>
    </Notice>
  );
}

function Line({ line }: { line: string }) {
  return (
    <div class="line stack">
      <pre class="command" tabIndex={0} role="region" aria-label={t("customer_line_label")}>
        <code>{line}</code>
      </pre>
      <CopyButton text={() => line} label={t("customer_copy_line")} kind="main" />
    </div>
  );
}
