import { useMemo } from "preact/hooks";
import type { AuditRow } from "../api/audit";
import type { Person } from "../api/company";
import { Link } from "../console/link";
import { language, t } from "../i18n/text";
import { clean } from "../text/clean";
import { formatDayTime } from "../text/format";
import { detailsOf, sentenceOfRow } from "./sentences";

/** Rows as sentences; the table's head is for screen readers, the rest explains itself. */
export function AuditRows({ rows, people }: { rows: readonly AuditRow[]; people: readonly Person[] }) {
  const names = useMemo(() => new Map(people.map(({ id, name }) => [id, name])), [people]);
  return (
    <table class="log">
      <thead class="unseen-head">
        <tr>
          <th scope="col">{t("audit_number")}</th>
          <th scope="col">{t("audit_when")}</th>
          <th scope="col">{t("audit_what")}</th>
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={row.id}>
            <td class="log-number tabular">{row.id}</td>
            <td class="log-when tabular">
              <time datetime={row.at}>{formatDayTime(row.at, language.value)}</time>
            </td>
            <td class="log-what">
              <p>{sentenceOfRow(row)}</p>
              <Details row={row} names={names} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Details({ row, names }: { row: AuditRow; names: ReadonlyMap<string, string> }) {
  const details = detailsOf(row.fields, names);
  if (details.length === 0 && row.session_id === null && row.fields !== null) return null;
  return (
    <p class="hint">
      {row.fields === null && <span>{t("audit_forgotten_details")} </span>}
      {details.map(([word, value], index) => (
        <span key={word}>
          {index > 0 && " · "}
          {word}: {value}
        </span>
      ))}
      {row.session_id !== null && (
        <>
          {(details.length > 0 || row.fields === null) && " · "}
          <Link href={`/audit?session=${encodeURIComponent(row.session_id)}`}>
            {t("audit_of_session", { session: clean(row.session_id, 8) })}
          </Link>
        </>
      )}
    </p>
  );
}
