/** All sessions, open and ended, as the relay lists them; what the live feed knows better stands in the rows at once. */
import { History } from "lucide-preact";
import { useEffect } from "preact/hooks";
import type { Me, Session } from "../api/types";
import { language, t } from "../i18n/text";
import { clean } from "../text/clean";
import { formatMoment } from "../text/format";
import { Button } from "../ui/buttons";
import { Countdown } from "../ui/countdown";
import { sentenceOf } from "../ui/errors";
import { Loading, Notice } from "../ui/faces";
import { Icon } from "../ui/icon";
import type { Desk } from "./desk";
import { endSentence } from "./ends";
import { Link } from "./link";
import { ListFilters } from "./listFilters";
import { AccessBadge, OnlineBadge, RemovalBadge, StateBadge } from "./stateBadge";

export function SessionTable({ desk, me }: { desk: Desk; me: Me }) {
  const { list, live } = desk;
  // Which rows there are, and in what order, is the relay's to say: it is asked again whenever a session comes or changes its state.
  const states = live.all.value.map(({ id, state }) => `${id}:${state}`).join();
  useEffect(() => void list.reload(), [states]);
  const rows = list.rows.value;
  const fault = list.fault.value;
  return (
    <section class="card stack session-list" aria-labelledby="list-title">
      <h2 id="list-title">{t("list_title")}</h2>
      <ListFilters list={list} me={me} />
      {fault !== null && (
        <Notice kind="bad" live>
          <p>{sentenceOf(fault)}</p>
          <Button onPress={() => void list.reload()}>{t("retry")}</Button>
        </Notice>
      )}
      {rows === null && fault === null && <Loading />}
      {rows !== null && rows.length === 0 && (
        <p class="soft" role="status">
          {t("list_empty")}
        </p>
      )}
      {rows !== null && rows.length > 0 && (
        <table class="session-table" role="table" aria-busy={list.isBusy.value}>
          <thead role="rowgroup">
            <tr role="row">
              {(["list_state", "computer", "customer", "technician", "list_time"] as const).map((word) => (
                <th key={word} role="columnheader" scope="col">
                  {t(word)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody role="rowgroup">
            {rows.map((row) => (
              <Row key={row.id} session={live.get(row.id) ?? row} />
            ))}
          </tbody>
        </table>
      )}
      {list.hasMore.value && (
        <Button disabled={list.isBusy.value} onPress={() => void list.more()}>
          {t("list_more")}
        </Button>
      )}
    </section>
  );
}

/** Roles are said again: a table that is laid out as blocks, on a telephone, would lose them. */
function Row({ session }: { session: Session }) {
  const { host } = session;
  return (
    <tr role="row">
      <td role="cell">
        <div class="row">
          <StateBadge state={session.state} />
          {session.state === "ended" ? (
            <RemovalBadge removal={session.removal} />
          ) : (
            host !== null && <OnlineBadge isOnline={host.online} />
          )}
        </div>
      </td>
      <td role="cell">
        <Link class="row-link" href={`/sessions/${encodeURIComponent(session.id)}`}>
          <Icon as={History} size={16} />
          <span>{clean(host?.computer) || t(session.state === "ended" ? "computer_never" : "computer_none")}</span>
        </Link>
        {host !== null && <p class="hint">{[clean(host.os), clean(host.user)].filter(Boolean).join(" · ")}</p>}
      </td>
      <td role="cell">
        <p>{clean(session.customer_email, 120)}</p>
        {session.note !== "" && <p class="hint">{clean(session.note, 120)}</p>}
      </td>
      <td role="cell">
        <p>{clean(session.technician.name)}</p>
        {session.access !== "read" && <AccessBadge session={session} />}
      </td>
      <td role="cell">
        <When session={session} />
      </td>
    </tr>
  );
}

function When({ session }: { session: Session }) {
  if (session.state !== "ended") {
    const isActive = session.state === "active";
    return (
      <>
        <p class="hint">{t(isActive ? "time_left" : "lapses_in")}</p>
        <Countdown until={isActive ? session.expires_at : session.lapse_at} />
      </>
    );
  }
  return (
    <>
      <p>{session.ended_at === null ? "–" : formatMoment(session.ended_at, language.value)}</p>
      <p class="hint">{endSentence(session.end_reason, session.end_sentence)}</p>
    </>
  );
}
