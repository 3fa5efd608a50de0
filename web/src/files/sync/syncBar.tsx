/** The buttons of synchronising and replicating, and the dialogs behind them. */
import { effect, useSignal } from "@preact/signals";
import { FolderSync, Folders } from "lucide-preact";
import { counted, t } from "../../i18n/text";
import type { OpenTool } from "../../tools/connection";
import { Button } from "../../ui/buttons";
import type { Jobs } from "../jobs";
import type { LocalFolder } from "../localFolder";
import { canOpenFolders } from "../localFiles";
import type { RemoteFolder } from "../remoteFolder";
import type { Workshop } from "../transfers";
import { DryRun } from "./dryRun";
import { ResultsDialog } from "./resultsDialog";
import type { SyncRun } from "./run";
import { SyncDialog } from "./syncDialog";

interface SyncBarProps {
  session: string;
  workshop: Workshop;
  opened: OpenTool | null;
  remote: RemoteFolder;
  local: LocalFolder;
  jobs: Jobs;
}

export function SyncBar({ session, workshop, opened, remote, local, jobs }: SyncBarProps) {
  const dryRun = useSignal<DryRun | null>(null);
  const results = useSignal<SyncRun | null>(null);
  const folder = local.current;
  const top = remote.path.value;
  if (!canOpenFolders) return <p class="hint sync-bar">{t("sync_no_folders")}</p>;
  const isReady = folder !== null && top !== null && opened !== null;
  const begin = (isMirror: boolean): void => {
    if (folder !== null && top !== null) dryRun.value = new DryRun({ session, folder, top, workshop }, isMirror);
  };
  const run = (planned: DryRun): void => {
    const { work, run: doing } = planned.work();
    const conflicts = planned.planned.peek().filter(({ deed }) => deed === "conflict").length - decided(planned);
    const job = jobs.add({ ...work, more: { summary: () => summaryOf(doing, conflicts), open: () => (results.value = doing) } });
    effect(() => {
      if (job.isOver.value) void doing.remember().catch(() => undefined); // what differs is a conflict the next time
    });
    dryRun.value = null;
  };
  return (
    <section class="row sync-bar" aria-label={t("sync_bar")}>
      <Button icon={FolderSync} disabled={!isReady} onPress={() => begin(false)}>
        {t("sync_open")}
      </Button>
      <Button icon={Folders} disabled={!isReady} onPress={() => begin(true)}>
        {t("sync_open_mirror")}
      </Button>
      {folder === null && <span class="hint">{t("sync_needs_folder")}</span>}
      {dryRun.value !== null && (
        <SyncDialog
          dryRun={dryRun.value}
          open={opened === null ? null : () => opened.openStream("files")}
          onRun={run}
          onClose={() => {
            dryRun.value?.cancel();
            dryRun.value = null;
          }}
        />
      )}
      {results.value !== null && <ResultsDialog run={results.value} onClose={() => (results.value = null)} />}
    </section>
  );
}

/** Conflicts about which something was said. */
function decided(planned: DryRun): number {
  return [...planned.choices.peek().values()].filter((choice) => choice !== "skip").length;
}

function summaryOf(run: SyncRun, conflicts: number): string {
  const done = [...run.outcomes.value.values()].filter((outcome) => outcome === "done").length;
  const all = run.duty.actions.length + run.duty.both.length;
  const parts = [t("sync_job_state", { done, all })];
  if (run.usesUndo.local || run.usesUndo.remote) parts.push(t("sync_job_undo", { folder: run.undo }));
  if (conflicts > 0) parts.push(counted("sync_job_conflicts", conflicts));
  return parts.join(" · ");
}
