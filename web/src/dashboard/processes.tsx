/** Processes: what they use, whose they are; ended or made more or less important. */
import { useSignal } from "@preact/signals";
import { CircleX, ListTree } from "lucide-preact";
import { useMemo } from "preact/hooks";
import { language, t, type PlainKey } from "../i18n/text";
import { formatBytes } from "../text/format";
import { Asking } from "../ui/asking";
import { Button } from "../ui/buttons";
import { Tick } from "../ui/field";
import { Notice } from "../ui/faces";
import { DataTable, type Column } from "./dataTable";
import { sentenceOfRefusal, type Feed } from "./feed";
import { LiveList } from "./lists";
import { figure, treeOf, words, type Branch, type Row } from "./rows";
import { useRows } from "./useRows";

const EVERY = 3000;

const COLUMNS: readonly Column<Branch>[] = [
  {
    word: "column_name",
    value: ({ row }) => words(row, "name"),
    show: ({ row, depth }) => (
      <span class={`branch depth-${Math.min(depth, 12)}`}>{words(row, "name")}</span>
    ),
  },
  {
    word: "column_cpu",
    value: ({ row }) => figure(row, "cpu") ?? 0,
    show: ({ row }) => `${(figure(row, "cpu") ?? 0).toLocaleString(language.value, { maximumFractionDigits: 1 })} %`,
  },
  {
    word: "column_memory",
    value: ({ row }) => figure(row, "memory") ?? 0,
    show: ({ row }) => formatBytes(figure(row, "memory") ?? 0, language.value),
  },
  { word: "column_user", value: ({ row }) => words(row, "user") },
  { word: "column_pid", value: ({ row }) => figure(row, "pid"), show: ({ row }) => String(figure(row, "pid") ?? "") },
  {
    word: "column_command",
    value: ({ row }) => words(row, "command", 2000),
    show: ({ row }) => (
      <span class="clamped" title={words(row, "command", 2000)}>
        {words(row, "command", 400)}
      </span>
    ),
  },
];

const PRIORITIES: readonly { readonly priority: string; readonly word: PlainKey; readonly nice: (nice: number) => boolean }[] = [
  { priority: "low", word: "priority_low", nice: (nice) => nice > 0 },
  { priority: "normal", word: "priority_normal", nice: (nice) => nice === 0 },
  { priority: "high", word: "priority_high", nice: (nice) => nice < 0 },
];

export function Processes({ feed, isConnected }: { feed: Feed; isConnected: boolean }) {
  const live = useRows(feed, "processes", isConnected, EVERY);
  const isTree = useSignal(false);
  const ending = useSignal<Row | null>(null);
  const problem = useSignal<string | null>(null);
  const rows = live.rows.value;
  const branches = useMemo<readonly Branch[]>(
    () => (rows === null ? [] : isTree.value ? treeOf(rows) : rows.map((row) => ({ row, depth: 0 }))),
    [rows, isTree.value],
  );
  const act = async (name: string, work: () => Promise<void>): Promise<void> => {
    problem.value = null;
    try {
      await work();
    } catch (error) {
      problem.value = `${name}: ${t(sentenceOfRefusal(error))}`;
    }
    await live.load();
  };
  const setPriority = (row: Row, priority: string): void => {
    const [pid, started] = [figure(row, "pid"), figure(row, "started")];
    void act(words(row, "name"), () =>
      feed.ask(async (requests) => void (await requests.ask("priority", { pid, started, priority }))),
    );
  };
  return (
    <>
      {problem.value !== null && (
        <Notice kind="bad" live>
          {problem.value}
        </Notice>
      )}
      <LiveList live={live}>
        {() => (
          <DataTable
            key={isTree.value ? "tree" : "list"}
            label={t("tab_processes")}
            name="processes"
            columns={COLUMNS}
            items={branches}
            keyOf={({ row }, index) => figure(row, "pid") ?? `row ${index}`}
            sortedBy={isTree.value ? -1 : 1}
            isDescending={!isTree.value}
            bar={
              <button
                type="button"
                class="button"
                aria-pressed={isTree.value}
                onClick={() => (isTree.value = !isTree.value)}
              >
                <ListTree size={18} aria-hidden="true" />
                <span>{t("as_tree")}</span>
              </button>
            }
            actions={({ row }) => (
              <>
                <select
                  aria-label={t("priority_of", { name: words(row, "name") })}
                  disabled={!isConnected}
                  value={PRIORITIES.find(({ nice }) => nice(figure(row, "priority") ?? 0))?.priority ?? "normal"}
                  onChange={(event) => setPriority(row, event.currentTarget.value)}
                >
                  {PRIORITIES.map(({ priority, word }) => (
                    <option key={priority} value={priority}>
                      {t(word)}
                    </option>
                  ))}
                </select>
                <Button
                  kind="danger"
                  icon={CircleX}
                  disabled={!isConnected}
                  label={`${t("end_process")} ${words(row, "name")} (${figure(row, "pid") ?? ""})`}
                  onPress={() => (ending.value = row)}
                >
                  {t("end_process")}
                </Button>
              </>
            )}
          />
        )}
      </LiveList>
      {ending.value !== null && (
        <EndProcess
          row={ending.value}
          onEnd={(fields) => {
            const row = ending.value as Row;
            return act(words(row, "name"), () =>
              feed.ask(async (requests) => {
                const { head } = await requests.ask("end", { pid: figure(row, "pid"), started: figure(row, "started"), ...fields });
                const left = figure(head["ok"] as Row, "left") ?? 0;
                if (left > 0) problem.value = t("process_left", { name: words(row, "name") });
              }),
            );
          }}
          onClose={() => (ending.value = null)}
        />
      )}
    </>
  );
}

function EndProcess({
  row,
  onEnd,
  onClose,
}: {
  row: Row;
  onEnd: (fields: { tree: boolean; force: boolean }) => Promise<void>;
  onClose: () => void;
}) {
  const tree = useSignal(false);
  const force = useSignal(false);
  return (
    <Asking
      title={t("end_process_title", { name: words(row, "name"), pid: figure(row, "pid") ?? "" })}
      confirm={t("end_process")}
      isDangerous
      onConfirm={() => onEnd({ tree: tree.value, force: force.value })}
      onClose={onClose}
    >
      <p>{t("end_process_hint")}</p>
      <Tick label={t("end_tree")} checked={tree.value} onChange={(checked) => (tree.value = checked)} />
      <Tick label={t("end_force")} hint={t("end_force_hint")} checked={force.value} onChange={(checked) => (force.value = checked)} />
    </Asking>
  );
}
