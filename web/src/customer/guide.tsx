/** The way from the link to the code: who is asking, what is in the way, one button, three pictures. */
import { useSignal } from "@preact/signals";
import { Flag, ShieldAlert } from "lucide-preact";
import { useEffect } from "preact/hooks";
import type { HostFile, LinkFacts } from "../api/types";
import { language, t } from "../i18n/text";
import { clean } from "../text/clean";
import { formatMoment } from "../text/format";
import { Notice } from "../ui/faces";
import { Icon } from "../ui/icon";
import { Download } from "./download";
import { NextSteps } from "./nextSteps";
import { OtherWays } from "./otherWays";
import { findObstacles, type Obstacle } from "./preflight";
import { choosePrograms, systemsWith } from "./programs";

export function Guide({ facts, invite, link }: { facts: LinkFacts; invite: string; link: string }) {
  const company = clean(facts.company);
  const title = t("customer_title", { company });
  document.title = title;
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
  const programs = choosePrograms(facts.hosts, navigator.userAgent);
  const { main } = programs;
  // Once the program is saved, or runs, there is nothing to do on this page but to follow it.
  const isSaved = useSignal(false);
  const isRunning = facts.refused === null && facts.step !== "" && facts.step !== "host_downloaded";
  const isNext = isRunning || isSaved.value;
  useEffect(() => {
    if (isSaved.value) document.getElementById("next")?.scrollIntoView({ block: "center" });
  }, [isSaved.value]);
  const next = main !== null && <NextSteps step={facts.step} refused={facts.refused} host={main} />;
  return (
    <>
      {isNext && next}
      <section class="card stack" aria-labelledby="who">
        <h1 id="who">{title}</h1>
        <p class="lead">{t("customer_who", { technician: clean(facts.technician), company })}</p>
        <Phone facts={facts} />
        <Strangers reportUrl={facts.report_url} />
        {obstacles.value.map((obstacle) => (
          <ObstacleNotice key={obstacle.kind} obstacle={obstacle} company={company} />
        ))}
        {main !== null && (
          <>
            <Download key={main.sha256} host={main} invite={invite} link={link} isMain onSaved={() => (isSaved.value = true)} />
            {main.target === "linux" && <SinceWhen host={main} hasOther={programs.others.some(({ target }) => target === "python")} />}
            {main.target === "windows" && (
              <p class="hint">
                {main.signer === null ? t("customer_unsigned") : t("customer_signed", { signer: clean(main.signer) })}
              </p>
            )}
          </>
        )}
        <p class="hint">{t("customer_valid_until", { moment: formatMoment(facts.expires_at, language.value) })}</p>
      </section>
      {!isNext && next}
      <OtherWays programs={programs} invite={invite} link={link} />
    </>
  );
}

/** On what Linux the program runs, where the other one may be the way: a program that is too new for it says nothing at all. */
function SinceWhen({ host, hasOther }: { host: HostFile; hasOther: boolean }) {
  const systems = systemsWith(host.glibc);
  if (systems === "") return null;
  const since = t("customer_linux_since", { systems });
  return <p class="hint">{hasOther ? `${since} ${t("customer_linux_older")}` : since}</p>;
}

export function Phone({ facts }: { facts: LinkFacts }) {
  const phone = clean(facts.phone, 40);
  if (phone === "") return null;
  return <p class="tabular">{t("customer_phone", { phone })}</p>;
}

/** A warning against unknown callers, and where to report one. */
function Strangers({ reportUrl }: { reportUrl: string | null }) {
  return (
    <div class="stranger" role="note" aria-labelledby="stranger">
      <Icon as={ShieldAlert} size={28} />
      <div>
        <h2 id="stranger">{t("customer_warning_title")}</h2>
        <p>{t("customer_warning")}</p>
        {reportUrl !== null && /^(https|mailto):/.test(reportUrl) && (
          <p>
            <a class="report" href={reportUrl} rel="noreferrer noopener" target="_blank">
              <Icon as={Flag} size={18} /> {t("customer_report")}
            </a>
          </p>
        )}
      </div>
    </div>
  );
}

function ObstacleNotice({ obstacle, company }: { obstacle: Obstacle; company: string }) {
  const sentence = (): string => {
    switch (obstacle.kind) {
      case "clock":
        return t("customer_clock", { minutes: obstacle.minutes });
      case "network":
        return t("customer_network", { company, host: location.host });
      case "old_system":
        return t("customer_old_system");
      case "system":
        return obstacle.system === "other"
          ? t("customer_system_other")
          : t("customer_system", { system: { mac: "macOS", windows: "Windows", linux: "Linux" }[obstacle.system] });
    }
  };
  return (
    <Notice kind="warning" live>
      <p>{sentence()}</p>
    </Notice>
  );
}
