/** The buttons of synchronising and replicating, and the dialogs behind them. */
import { effect, useSignal, type Signal } from "@preact/signals";
import { FolderSync, Folders } from "lucide-preact";
import { useEffect } from "preact/hooks";
import { counted, t } from "../../i18n/text";
import type { OpenTool } from "../../tools/connection";
import { Button } from "../../ui/buttons";
import type { Jobs } from "../jobs";
import type { KeptJob, KeptJobs } from "../keptJobs";
import type { LocalFolder } from "../localFolder";
import { canOpenFolders } from "../localFiles";
import type { SyncOrder } from "../orders";
import type { RemoteFolder } from "../remoteFolder";
import type { Workshop } from "../transfers";
import { DryRun } from "./dryRun";
import { ResultsDialog } from "./resultsDialog";
import type { SyncRun } from "./run";
import { SyncDialog } from "./syncDialog";

/** A job of synchronising or replicating that another tab has left. */
export interface KeptSync extends KeptJob {
  readonly order: SyncOrder;
}

interface SyncBarProps {
  session: string;
  workshop: Workshop;
  opened: OpenTool | null;
  remote: RemoteFolder;
  local: LocalFolder;
  jobs: Jobs;
  kept: KeptJobs;
  /** A job that another tab has left, to be looked at again. */
  resumed: Signal<KeptSync | null>;
}

export function SyncBar({ session, workshop, opened, remote, local, jobs, kept, resumed }: SyncBarProps) {
  const dryRun = useSignal<DryRun | null>(null);
  const results = useSignal<SyncRun | null>(null);
  const folder = local.current;
  const top = remote.path.value;
  if (!canOpenFolders) return <p class="hint sync-bar">{t("sync_no_folders")}</p>;
  const isReady = folder !== null && top !== null && opened !== null;
  const begin = (isMirror: boolean): void => {
    if (folder !== null && top !== null) dryRun.value = new DryRun({ session, folder, top, workshop }, isMirror);
  };
  const again = resumed.value;
  useEffect(() => {
    if (again === null) return;
    const { folder, top } = again.order;
    const planned = new DryRun({ session, folder, top, workshop }, again.order.mode !== "both", again.order);
    dryRun.value = planned;
    if (opened !== null) void planned.look(() => opened.openStream("files"));
  }, [again]);
  const close = (): void => {
    dryRun.value = null;
    resumed.value = null;
  };
  const run = (planned: DryRun): void => {
    const before = planned.before === null ? null : resumed.peek();
    const { work, run: doing } = planned.work();
    const conflicts = planned.planned.peek().filter(({ deed }) => deed === "conflict").length - decided(planned);
    const job = jobs.add({ ...work, more: { summary: () => summaryOf(doing, conflicts), open: () => (results.value = doing) } });
    effect(() => {
      if (job.isOver.value) void doing.remember().catch(() => undefined); // what differs is a conflict the next time
    });
    const { folder, top } = planned.place;
    const order = { kind: "sync", folder, top, ...planned.wanted } as const;
    void kept.keepUntil(job.isOver, work.title, true, order);
    if (before !== null) void kept.takeOver(before.id).then((isOurs) => (isOurs ? kept.forget(before.id) : undefined));
    close();
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
            close();
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
