/** What is on its way, waits, or has arrived. */
import { ArrowDownToLine, ArrowLeftRight, ArrowUpFromLine, CircleX, Pause, Play } from "lucide-preact";
import { counted, language, t, type PlainKey } from "../i18n/text";
import { clean } from "../text/clean";
import { formatBytes, formatCountdown } from "../text/format";
import { Button } from "../ui/buttons";
import { Icon } from "../ui/icon";
import type { Job, Jobs, JobState } from "./jobs";
import { BarButton } from "./remotePane";

const STATES: Readonly<Record<JobState, PlainKey>> = {
  waiting: "job_waiting",
  counting: "job_counting",
  running: "job_running",
  paused: "job_paused",
  done: "job_done",
  cancelled: "job_cancelled",
};

/** Which way a job goes: how it is drawn and called. */
export const WAYS = {
  up: { icon: ArrowUpFromLine, word: "job_up" },
  down: { icon: ArrowDownToLine, word: "job_down" },
  both: { icon: ArrowLeftRight, word: "job_both" },
} as const;

export function JobList({ jobs, isConnected }: { jobs: Jobs; isConnected: boolean }) {
  const list = jobs.list.value;
  if (list.length === 0) return null;
  return (
    <section class="jobs" aria-label={t("jobs")}>
      <div class="pane-head">
        <h2>{t("jobs")}</h2>
        {list.some((job) => job.isOver.value) && (
          <Button kind="quiet" onPress={() => jobs.tidy()}>
            {t("jobs_tidy")}
          </Button>
        )}
      </div>
      <ul>
        {list.toReversed().map((job) => (
          <JobLine key={job.id} job={job} jobs={jobs} isConnected={isConnected} />
        ))}
      </ul>
    </section>
  );
}

function JobLine({ job, jobs, isConnected }: { job: Job; jobs: Jobs; isConnected: boolean }) {
  const state = job.state.value;
  const progress = job.progress.value;
  const { icon, word: way } = WAYS[job.work.direction];
  const { more } = job.work;
  // Names are freed and folders made while it counts.
  const isPreparing = more !== undefined && state === "counting";
  const word = state === "waiting" && !isConnected ? t("job_offline") : t(isPreparing ? "sync_job_preparing" : STATES[state]);
  const share = progress.bytes > 0 ? progress.bytesDone / progress.bytes : progress.files > 0 ? progress.filesDone / progress.files : 0;
  const problems = job.problems.value;
  return (
    <li class="job">
      <div class="job-line">
        <Icon as={icon} size={18} />
        <span class="job-title">
          <span class="unseen">{t(way)}: </span>
          {clean(job.work.title, 120)}
        </span>
        {more !== undefined && (
          <Button kind="quiet" onPress={more.open}>
            {t("sync_results")}
          </Button>
        )}
        <span class={state === "done" && job.problemCount.value > 0 ? "job-state bad" : "job-state"} role="status">
          {word}
        </span>
        {!job.isOver.value && (
          <>
            {state === "paused" ? (
              <BarButton icon={Play} label={t("job_resume")} onPress={() => jobs.resume(job)} />
            ) : (
              <BarButton icon={Pause} label={t("job_pause")} onPress={() => job.pause()} />
            )}
            <BarButton icon={CircleX} label={t("job_cancel")} onPress={() => job.cancel()} />
          </>
        )}
      </div>
      {!job.isOver.value && (
        <progress max={1} value={state === "counting" ? undefined : Math.min(1, share)} aria-label={clean(job.work.title, 120)} />
      )}
      <p class="hint tabular">
        {more === undefined ? t("job_files", { done: progress.filesDone, all: progress.files }) : more.summary()} ·{" "}
        {t("job_bytes", {
          done: formatBytes(progress.bytesDone, language.value),
          all: formatBytes(progress.bytes, language.value),
        })}
        {progress.rate !== null && progress.rate > 0 && (
          <>
            {" · "}
            {t("job_rate", { rate: `${formatBytes(progress.rate, language.value)}/s` })} ·{" "}
            {t("job_left", { time: formatCountdown((progress.bytes - progress.bytesDone) / progress.rate) })}
          </>
        )}
        {progress.skipped > 0 && ` · ${counted("job_skipped", progress.skipped)}`}
        {state === "done" && job.problemCount.value === 0 && ` · ${t("job_checked")}`}
      </p>
      {problems.length > 0 && (
        <details class="job-problems">
          <summary>{counted(more === undefined ? "job_problems" : "sync_job_problems", job.problemCount.value)}</summary>
          <ul>
            {problems.map(({ name, why }, index) => (
              <li key={index}>
                {clean(name, 300)}: {t(why)}
              </li>
            ))}
          </ul>
        </details>
      )}
    </li>
  );
}
