/** What became of each thing of a synchronising or replicating. */
import { useSignal } from "@preact/signals";
import { File, Folder } from "lucide-preact";
import "../../styles/sync.css";
import { counted, t } from "../../i18n/text";
import { Button } from "../../ui/buttons";
import { Dialog } from "../../ui/dialog";
import { grouped, matches, type GroupName } from "./groups";
import type { Action } from "./plan";
import { Rows, type Row } from "./rowsView";
import type { Outcome, SyncRun } from "./run";

interface ResultRow extends Row {
  readonly outcome: Outcome | undefined;
}

export function ResultsDialog({ run, onClose }: { run: SyncRun; onClose: () => void }) {
  const filter = useSignal("");
  const outcomes = run.outcomes.value;
  const { actions, both } = run.duty;
  const rows = (some: readonly Action[]): ResultRow[] =>
    some
      .filter(({ path }) => matches(path, filter.value))
      .map((action) => ({
        key: action.path,
        path: action.path,
        icon: action.deed === "folder" ? Folder : File,
        note: "",
        size: null,
        outcome: outcomes.get(action),
      }))
      .sort((a, b) => rank(a.outcome) - rank(b.outcome));
  const kept = both
    .filter((path) => matches(path, filter.value))
    .map((path) => ({ key: path, path, icon: File, note: "", size: null, outcome: outcomes.get(path) }));
  return (
    <Dialog title={t("sync_results_title")} onClose={onClose}>
      <div class="sync stack">
        {(run.usesUndo.local || run.usesUndo.remote) && <p class="hint">{t("sync_to_undo", { folder: run.undo })}</p>}
        <input
          type="search"
          aria-label={t("sync_filter")}
          placeholder={t("sync_filter")}
          maxLength={200}
          value={filter.value}
          onInput={(event) => (filter.value = event.currentTarget.value)}
        />
        {grouped(actions).map((group) => (
          <ResultGroup key={group.name} name={group.name} rows={rows(group.actions)} />
        ))}
        <ResultGroup name="sync_both" rows={kept} />
        <div class="dialog-actions sync-actions">
          <Button kind="main" onPress={onClose}>
            {t("close")}
          </Button>
        </div>
      </div>
    </Dialog>
  );
}

/** What was not done comes first. */
function rank(outcome: Outcome | undefined): number {
  if (outcome === "done") return 2;
  return outcome === undefined ? 1 : 0;
}

function ResultGroup({ name, rows }: { name: GroupName | "sync_both"; rows: readonly ResultRow[] }) {
  if (rows.length === 0) return null;
  return (
    <details class="sync-group" open>
      <summary>
        <h3>{t(name)}</h3>
        <span class="soft tabular">{counted("things", rows.length)}</span>
      </summary>
      <Rows label={t(name)} rows={rows}>
        {({ outcome }) => {
          if (outcome === undefined) return <span class="soft">{t("sync_result_waiting")}</span>;
          return outcome === "done" ? t("sync_result_done") : <span class="sync-bad">{t(outcome)}</span>;
        }}
      </Rows>
    </details>
  );
}
