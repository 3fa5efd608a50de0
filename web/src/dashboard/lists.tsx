/** The lists that are only looked at: scheduled tasks, software, startup, environment, ports, record, changes. */
import { RefreshCw } from "lucide-preact";
import type { ComponentChildren } from "preact";
import { signal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { counted, language, t, textIfAny, type PlainKey } from "../i18n/text";
import { formatBytes, formatDayTime, formatMoment } from "../text/format";
import { Button } from "../ui/buttons";
import { Loading, Notice } from "../ui/faces";
import { askChanges } from "./client";
import { DataTable, type Column } from "./dataTable";
import { sentenceOfRefusal, type Feed } from "./feed";
import { isoOf } from "./overview";
import { figure, isTrue, words, type Row } from "./rows";
import { useRows, type LiveRows } from "./useRows";

const text = (word: PlainKey, key: string, max = 300): Column<Row> => ({ word, value: (row) => words(row, key, max) });
const number = (word: PlainKey, key: string): Column<Row> => ({ word, value: (row) => figure(row, key) });
const moment = (word: PlainKey, key: string): Column<Row> => ({
  word,
  value: (row) => figure(row, key),
  show: (row) => {
    const at = figure(row, key);
    return at === null ? "" : formatMoment(isoOf(at), language.value);
  },
});

/** What each list shows, by the host's name for it. */
export const LISTS: Readonly<Record<string, readonly Column<Row>[]>> = {
  schedule: [
    text("column_name", "name"),
    text("column_schedule", "schedule"),
    text("column_user", "user"),
    text("column_command", "command", 1000),
    moment("column_next", "next_at"),
  ],
  software: [
    text("column_name", "name"),
    text("column_version", "version"),
    {
      word: "column_size",
      value: (row) => figure(row, "size"),
      show: (row) => formatBytes(figure(row, "size") ?? 0, language.value),
    },
    text("column_summary", "summary"),
  ],
  startup: [
    text("column_name", "name"),
    { word: "column_enabled", value: (row) => t(isTrue(row, "is_enabled") ? "yes" : "no") },
    text("column_command", "command", 1000),
    text("column_path", "path", 1000),
  ],
  environment: [text("column_name", "name"), text("column_value", "value", 4000)],
  ports: [
    text("column_program", "program"),
    number("column_pid", "pid"),
    text("column_protocol", "protocol"),
    text("column_address", "address"),
    { word: "column_port", value: (row) => figure(row, "port"), show: (row) => String(figure(row, "port") ?? "") },
  ],
  record: [
    {
      word: "column_at",
      value: (row) => figure(row, "at"),
      show: (row) => formatDayTime(isoOf(figure(row, "at") ?? 0), language.value),
    },
    text("column_technician", "technician"),
    { word: "column_act", value: (row) => textIfAny(`act_${words(row, "act", 32)}_one`, { count: 1 }) ?? words(row, "act") },
    text("column_detail", "detail", 1000),
  ],
};

export function List({ feed, list, label, isConnected }: { feed: Feed; list: string; label: string; isConnected: boolean }) {
  const live = useRows(feed, list, isConnected, null);
  return (
    <LiveList live={live}>
      {(rows) => (
        <DataTable
          label={label}
          name={list}
          columns={LISTS[list] ?? []}
          items={rows}
          keyOf={(_, index) => index}
          isDescending={list === "record"}
          none={t(list === "record" ? "record_none" : "data_empty")}
          bar={<Again live={live} />}
        />
      )}
    </LiveList>
  );
}

/** The list, or why there is none. */
export function LiveList({ live, children }: { live: LiveRows; children: (rows: readonly Row[]) => ComponentChildren }) {
  const rows = live.rows.value;
  const fault = live.fault.value;
  return (
    <>
      {fault !== null && (
        <Notice kind={fault === "problem_unavailable" ? "info" : "bad"} live>
          {t(fault)}
        </Notice>
      )}
      {rows !== null ? children(rows) : fault === null && <Loading />}
    </>
  );
}

export function Again({ live }: { live: LiveRows }) {
  return (
    <Button icon={RefreshCw} onPress={() => void live.load()}>
      {t("refresh")}
    </Button>
  );
}

interface Change {
  readonly kind: string;
  readonly row: Row;
}

/** What happened to it: what had nothing before is new, what has nothing now is gone. */
function happened({ row }: Change): string {
  if ((row["before"] ?? null) === null) return t("changed_new");
  return t((row["after"] ?? null) === null ? "changed_gone" : "changed_other");
}

const CHANGE_COLUMNS: readonly Column<Change>[] = [
  { word: "column_kind", value: ({ kind }) => textIfAny(`change_${kind}`) ?? kind },
  { word: "column_name", value: ({ row }) => words(row, "name") },
  { word: "column_changed", value: happened },
  { word: "column_before", value: ({ row }) => words(row, "before") },
  { word: "column_after", value: ({ row }) => words(row, "after") },
];

/** What is different since the session's first connection. */
export function Changes({ feed, isConnected }: { feed: Feed; isConnected: boolean }) {
  const told = useMemo(() => signal<{ since: number; changes: Change[]; untold: number } | null>(null), [feed]);
  const fault = useMemo(() => signal<PlainKey | null>(null), [feed]);
  const load = async (): Promise<void> => {
    try {
      const { since, kinds, untold } = await feed.ask(askChanges);
      const changes = [...kinds].flatMap(([kind, rows]) => rows.map((row) => ({ kind, row })));
      told.value = { since, changes, untold };
      fault.value = null;
    } catch (error) {
      fault.value = sentenceOfRefusal(error);
    }
  };
  useEffect(() => {
    if (isConnected) void load();
  }, [isConnected]);
  const known = told.value;
  if (known === null) return fault.value === null ? <Loading /> : <Notice kind="info">{t("changes_not_yet")}</Notice>;
  return (
    <>
      <p class="soft">{t("changes_since", { moment: formatMoment(isoOf(known.since), language.value) })}</p>
      <DataTable
        label={t("tab_changes")}
        name="changes"
        columns={CHANGE_COLUMNS}
        items={known.changes}
        keyOf={(_, index) => index}
        none={t("changes_none")}
        bar={
          <Button icon={RefreshCw} onPress={() => void load()}>
            {t("refresh")}
          </Button>
        }
      />
      {known.untold > 0 && <p class="hint">{counted("rows_left", known.untold)}</p>}
    </>
  );
}
