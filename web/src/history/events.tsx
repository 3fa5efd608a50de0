/** What else happened to a session, in the audit log's sentences, oldest first. */
import type { SessionEvent } from "../api/types";
import { sentenceOfRow } from "../audit/sentences";
import { language, t } from "../i18n/text";
import { formatDayTime } from "../text/format";
import { Card } from "../ui/card";

export function Events({ events }: { events: readonly SessionEvent[] }) {
  return (
    <Card title={t("events_title")}>
      {events.length === 0 ? (
        <p class="soft">{t("events_none")}</p>
      ) : (
        <ol class="events">
          {events.map((event, index) => (
            <li key={index}>
              <time class="soft tabular" datetime={event.at}>
                {formatDayTime(event.at, language.value)}
              </time>
              <span>{sentenceOfRow(event)}</span>
            </li>
          ))}
        </ol>
      )}
    </Card>
  );
}
