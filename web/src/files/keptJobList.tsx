/** Jobs that a closed tab has left: to be taken up, or forgotten. */
import { CircleX, FolderInput, Play, Upload } from "lucide-preact";
import { language, t } from "../i18n/text";
import { clean } from "../text/clean";
import { formatMoment } from "../text/format";
import { Button } from "../ui/buttons";
import { Icon } from "../ui/icon";
import { WAYS } from "./jobList";
import type { KeptJob, KeptJobs } from "./keptJobs";
import type { Source } from "./localFiles";
import { ChosenFiles } from "./localPane";
import { directionOf } from "./orders";
import { BarButton } from "./remotePane";

interface KeptJobListProps {
  kept: KeptJobs;
  /** @param chosen the files, where another tab cannot open them by itself. */
  onResume: (job: KeptJob, chosen?: () => Iterable<Source>) => void;
}

export function KeptJobList({ kept, onResume }: KeptJobListProps) {
  const left = kept.left.value;
  if (left.length === 0) return null;
  return (
    <section class="jobs kept" aria-label={t("jobs_left")}>
      <div class="pane-head">
        <h2>{t("jobs_left")}</h2>
      </div>
      <ul>
        {left.map((job) => (
          <KeptLine key={job.id} job={job} onResume={onResume} onForget={() => void kept.forget(job.id)} />
        ))}
      </ul>
    </section>
  );
}

function KeptLine({
  job,
  onResume,
  onForget,
}: {
  job: KeptJob;
  onResume: KeptJobListProps["onResume"];
  onForget: () => void;
}) {
  const { order } = job;
  const mustChoose = order.kind === "send" && order.from === null;
  const { icon, word } = WAYS[directionOf(order)];
  const hint = mustChoose ? "job_choose_again" : order.kind === "sync" ? "job_left_sync" : "job_left_hint";
  const choose = (sources: readonly Source[]): void => onResume(job, () => sources);
  return (
    <li class="job">
      <div class="job-line">
        <Icon as={icon} size={18} />
        <span class="job-title">
          <span class="unseen">{t(word)}: </span>
          {clean(job.title, 120)}
        </span>
        {mustChoose ? (
          <>
            <ChosenFiles word={t("job_choose_files")} icon={Upload} isFolder={false} onSend={choose} />
            <ChosenFiles word={t("job_choose_folder")} icon={FolderInput} isFolder onSend={choose} />
          </>
        ) : (
          <Button icon={Play} onPress={() => onResume(job)}>
            {t("job_resume")}
          </Button>
        )}
        <BarButton icon={CircleX} label={t("job_discard")} onPress={onForget} />
      </div>
      <p class="hint">
        {t("job_begun", { moment: formatMoment(new Date(job.at).toISOString(), language.value) })} {t(hint)}
      </p>
    </li>
  );
}
