/** Who and what; everything that others wrote goes through `clean`. */
import type { Session } from "../api/types";
import { t } from "../i18n/text";
import { clean } from "../text/clean";

export function SessionFacts({ session }: { session: Session }) {
  const { host } = session;
  return (
    <dl class="facts">
      <div class="fact wide">
        <dt>{t("computer")}</dt>
        <dd class={host === null ? "soft" : "computer"}>
          {host === null ? t(session.state === "ended" ? "computer_never" : "computer_none") : clean(host.computer)}
        </dd>
        {session.state === "waiting" && <dd class="hint">{t("check_computer")}</dd>}
      </div>
      {host !== null && (
        <>
          <Fact name={t("system")} value={clean(host.os)} />
          <Fact name={t("user")} value={clean(host.user)} />
        </>
      )}
      <Fact name={t("customer")} value={clean(session.customer_email, 120)} />
      <Fact name={t("technician")} value={clean(session.technician.name)} />
      {session.note !== "" && <Fact name={t("note")} value={clean(session.note, 500)} />}
      {session.shares.length > 0 && (
        <Fact
          name={t("let_in")}
          value={session.shares
            .map(({ technician, access }) => `${clean(technician.name)} (${t(`share_${access}`)})`)
            .join(", ")}
        />
      )}
    </dl>
  );
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <div class="fact">
      <dt>{name}</dt>
      <dd>{value || "–"}</dd>
    </div>
  );
}
