/** The event log: filtered by the computer itself, page by page into the past, or followed as it grows. */
import { signal, useSignal } from "@preact/signals";
import { Radio, Search } from "lucide-preact";
import { useEffect, useMemo } from "preact/hooks";
import { language, t, type PlainKey } from "../i18n/text";
import { RequestRefused, type Requests } from "../tools/requests";
import { formatDayTime } from "../text/format";
import { Button } from "../ui/buttons";
import { Loading, Notice } from "../ui/faces";
import { askRows, follow } from "./client";
import { sentenceOfRefusal, type Feed } from "./feed";
import { isoOf } from "./overview";
import { figure, words, type Row } from "./rows";

const PAGE = 200;
/** Entries kept on the page. */
const MAX_ENTRIES = 2000;
/** syslog's severities (RFC 5424 §6.2.1). */
const PRIORITIES: readonly PlainKey[] = [
  "severity_0",
  "severity_1",
  "severity_2",
  "severity_3",
  "severity_4",
  "severity_5",
  "severity_6",
  "severity_7",
];

export function EventLog({ feed, isConnected }: { feed: Feed; isConnected: boolean }) {
  const entries = useMemo(() => signal<readonly Row[] | null>(null), [feed]);
  const fault = useSignal<PlainKey | null>(null);
  const priority = useSignal(7);
  const unit = useSignal("");
  const pattern = useSignal("");
  const isFollowing = useSignal(false);
  const hasMore = useSignal(true);
  const filters = () => ({ priority: priority.value, unit: unit.value.trim(), pattern: pattern.value.trim() });
  const load = async (before: string): Promise<void> => {
    try {
      const rows = await feed.ask((requests) => askRows(requests, "events", { ...filters(), limit: PAGE, before }, PAGE));
      entries.value = before === "" ? rows : [...(entries.peek() ?? []), ...rows].slice(0, MAX_ENTRIES);
      hasMore.value = rows.length === PAGE;
      fault.value = null;
    } catch (error) {
      if (error instanceof RequestRefused) fault.value = sentenceOfRefusal(error);
    }
  };
  useEffect(() => {
    if (isConnected) void load("");
  }, [isConnected, priority.value]);
  useEffect(() => {
    if (!isFollowing.value || !isConnected) return undefined;
    let requests: Requests | null = null;
    let isOver = false;
    void (async () => {
      try {
        requests = await feed.openRequests();
        if (isOver) return requests.close();
        await follow(requests, filters(), (rows) => {
          entries.value = [...rows.toReversed(), ...(entries.peek() ?? [])].slice(0, MAX_ENTRIES);
        });
      } catch (error) {
        if (isOver || !(error instanceof RequestRefused)) return;
        fault.value = sentenceOfRefusal(error);
        isFollowing.value = false;
      }
    })();
    return () => {
      isOver = true;
      requests?.close();
    };
  }, [isFollowing.value, isConnected, priority.value]);
  const rows = entries.value;
  return (
    <div class="data">
      <form
        class="data-bar"
        onSubmit={(event) => {
          event.preventDefault();
          isFollowing.value = false;
          void load("");
        }}
      >
        <label class="inline-field">
          <span>{t("severity")}</span>
          <select value={String(priority.value)} onChange={(event) => (priority.value = Number(event.currentTarget.value))}>
            {PRIORITIES.map((word, index) => (
              <option key={word} value={String(index)}>
                {t(word)}
              </option>
            ))}
          </select>
        </label>
        <input
          aria-label={t("event_unit")}
          placeholder={t("event_unit")}
          maxLength={200}
          value={unit.value}
          onInput={(event) => (unit.value = event.currentTarget.value)}
        />
        <input
          type="search"
          aria-label={t("event_pattern")}
          placeholder={t("event_pattern")}
          maxLength={200}
          value={pattern.value}
          onInput={(event) => (pattern.value = event.currentTarget.value)}
        />
        <Button type="submit" icon={Search} disabled={!isConnected}>
          {t("search")}
        </Button>
        <button
          type="button"
          class="button"
          aria-pressed={isFollowing.value}
          disabled={!isConnected}
          onClick={() => (isFollowing.value = !isFollowing.value)}
        >
          <Radio size={18} aria-hidden="true" />
          <span>{t("event_follow")}</span>
        </button>
      </form>
      {fault.value !== null && (
        <Notice kind={fault.value === "problem_unavailable" ? "info" : "bad"} live>
          {t(fault.value)}
        </Notice>
      )}
      {rows === null ? (
        fault.value === null && <Loading />
      ) : (
        <>
          <div class="data-scroll" tabIndex={0} role="region" aria-label={t("tab_events")}>
            <table class="data-table" aria-label={t("tab_events")}>
              <thead>
                <tr>
                  <th scope="col">{t("column_at")}</th>
                  <th scope="col">{t("column_severity")}</th>
                  <th scope="col">{t("column_unit")}</th>
                  <th scope="col">{t("column_message")}</th>
                </tr>
              </thead>
              <tbody>
                {rows.map((row, index) => {
                  const severity = Math.max(0, Math.min(7, Math.trunc(figure(row, "priority") ?? 6)));
                  return (
                    <tr key={words(row, "cursor") || index} class={severity <= 3 ? "bad-row" : undefined}>
                      <td class="tabular">{formatDayTime(isoOf((figure(row, "at") ?? 0) / 1000), language.value)}</td>
                      <td>{t(PRIORITIES[severity] ?? "severity_6")}</td>
                      <td>{words(row, "unit")}</td>
                      <td>{words(row, "message", 2000)}</td>
                    </tr>
                  );
                })}
              </tbody>
            </table>
            {rows.length === 0 && <p class="soft data-none">{t("data_empty")}</p>}
          </div>
          {hasMore.value && rows.length > 0 && rows.length < MAX_ENTRIES && (
            <Button kind="quiet" disabled={!isConnected} onPress={() => void load(words(rows.at(-1) ?? {}, "cursor", 500))}>
              {t("events_older")}
            </Button>
          )}
        </>
      )}
    </div>
  );
}
