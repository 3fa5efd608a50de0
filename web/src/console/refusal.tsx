/** Says why a session could not be prepared, names the session in the way, and leads there. */
import { ApiProblem } from "../api/client";
import type { Me, Session } from "../api/types";
import { language, t } from "../i18n/text";
import { clean } from "../text/clean";
import { formatMoment } from "../text/format";
import { Button } from "../ui/buttons";
import { sentenceOf } from "../ui/errors";
import { Notice } from "../ui/faces";
import type { Desk } from "./desk";
import { Link } from "./link";

export function Refusal({
  error,
  me,
  desk,
  onShow,
}: {
  error: unknown;
  me: Me;
  desk: Desk;
  onShow: (session: string) => void;
}) {
  const problem = error instanceof ApiProblem ? error : null;
  const session = problem?.session == null ? undefined : desk.live.get(problem.session);
  // What was in the way is gone: the form can be sent again.
  if (session?.state === "ended") return null;
  const limit =
    problem?.limit === "sessions_per_technician"
      ? t("limit_technician", { count: me.company.max_open_per_technician })
      : problem?.limit === "sessions_per_company"
        ? t("limit_company", { count: me.company.max_open_per_company })
        : null;
  return (
    <Notice kind={limit === null ? "bad" : "warning"} live>
      <p>{limit ?? sentenceOf(error)}</p>
      {session !== undefined && <InTheWay session={session} onShow={onShow} />}
    </Notice>
  );
}

function InTheWay({ session, onShow }: { session: Session; onShow: (session: string) => void }) {
  return (
    <>
      <p>
        {t("session_in_the_way", {
          customer: clean(session.customer_email, 120),
          technician: clean(session.technician.name),
          moment: formatMoment(session.created_at, language.value),
        })}
      </p>
      {session.access === "read" ? (
        <Link class="button" href={`/sessions/${encodeURIComponent(session.id)}`}>
          {t("go_to_session")}
        </Link>
      ) : (
        <Button onPress={() => onShow(session.id)}>{t("go_to_session")}</Button>
      )}
    </>
  );
}
