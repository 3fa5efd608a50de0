/** The dialog of synchronising and replicating: what is wished, the look at both folders, what would happen. */
import { useId } from "preact/hooks";
import { ArrowLeftRight, ArrowLeft, ArrowRight, Play, ScanSearch } from "lucide-preact";
import "../../styles/sync.css";
import { counted, language, t } from "../../i18n/text";
import { clean } from "../../text/clean";
import { formatBytes } from "../../text/format";
import type { SealedChannel } from "../../tunnel/sealedChannel";
import { Button } from "../../ui/buttons";
import { Dialog } from "../../ui/dialog";
import { Loading, Notice } from "../../ui/faces";
import { Tick } from "../../ui/field";
import { Icon } from "../../ui/icon";
import { shownPath } from "../paths";
import type { DryRun, Mode } from "./dryRun";
import type { Looked } from "./look";
import { PlanView } from "./planView";

interface SyncDialogProps {
  dryRun: DryRun;
  /** Opens a stream of the File Manager; null while the computer is offline. */
  open: (() => Promise<SealedChannel>) | null;
  onRun: (dryRun: DryRun) => void;
  onClose: () => void;
}

export function SyncDialog({ dryRun, open, onRun, onClose }: SyncDialogProps) {
  const phase = dryRun.phase.value;
  const isMirror = dryRun.mode.value !== "both";
  const look = (): void => {
    if (open !== null) void dryRun.look(open);
  };
  return (
    <Dialog title={t(isMirror ? "sync_title_mirror" : "sync_title")} onClose={onClose}>
      <div class="sync stack">
        <Places dryRun={dryRun} />
        {open === null && phase.kind !== "plan" && <Notice kind="warning">{t("sync_offline")}</Notice>}
        {phase.kind === "wishes" && <WishesForm dryRun={dryRun} isMirror={isMirror} />}
        {phase.kind === "looking" && <Progress looked={phase.looked} />}
        {phase.kind === "failed" && (
          <Notice kind="bad" live>
            {t("sync_failed", { why: t(phase.why) })}
          </Notice>
        )}
        {phase.kind === "plan" && <PlanView dryRun={dryRun} seen={phase.seen} />}
        <div class="dialog-actions sync-actions">
          <Button onPress={phase.kind === "looking" ? () => dryRun.cancel() : onClose}>{t("cancel")}</Button>
          {phase.kind === "wishes" && (
            <Button kind="main" icon={ScanSearch} disabled={open === null} onPress={look}>
              {t("sync_look")}
            </Button>
          )}
          {(phase.kind === "failed" || phase.kind === "plan") && (
            <Button icon={ScanSearch} disabled={open === null} onPress={look}>
              {t("sync_again")}
            </Button>
          )}
          {phase.kind === "plan" && <RunButton dryRun={dryRun} onRun={onRun} />}
        </div>
      </div>
    </Dialog>
  );
}

function RunButton({ dryRun, onRun }: { dryRun: DryRun; onRun: (dryRun: DryRun) => void }) {
  const count = dryRun.chosen.value.length + dryRun.both.value.length;
  const deletes = dryRun.chosen.value.some(({ deed }) => deed === "delete");
  return (
    <Button
      kind={deletes ? "danger" : "main"}
      icon={Play}
      disabled={count === 0 || dryRun.isTooMuch.value}
      onPress={() => onRun(dryRun)}
    >
      {t("sync_run")}
    </Button>
  );
}

/** Both folders, and which way things go. */
function Places({ dryRun }: { dryRun: DryRun }) {
  const icons = { both: ArrowLeftRight, toRemote: ArrowLeft, toLocal: ArrowRight };
  const { top, folder } = dryRun.place;
  return (
    <dl class="sync-places">
      <div>
        <dt>{t("sync_there")}</dt>
        <dd>{shownPath(top)}</dd>
      </div>
      <Icon as={icons[dryRun.mode.value]} size={20} />
      <div>
        <dt>{t("sync_here")}</dt>
        <dd>{clean(folder.name, 255) || t("pane_local")}</dd>
      </div>
    </dl>
  );
}

function WishesForm({ dryRun, isMirror }: { dryRun: DryRun; isMirror: boolean }) {
  const wishes = dryRun.wishes.value;
  return (
    <>
      <p class="soft">{t(isMirror ? "sync_hint_mirror" : "sync_hint")}</p>
      {isMirror && (
        <Radios
          legend={t("sync_direction")}
          value={dryRun.mode.value}
          options={[
            { value: "toLocal", label: t("sync_to_local"), hint: t("sync_to_local_hint") },
            { value: "toRemote", label: t("sync_to_remote"), hint: t("sync_to_remote_hint") },
          ]}
          onChange={(mode: Mode) => (dryRun.mode.value = mode)}
        />
      )}
      <Radios
        legend={t("sync_same")}
        value={wishes.byContent ? "content" : "time"}
        options={[
          { value: "time", label: t("sync_by_time"), hint: t("sync_by_time_hint") },
          { value: "content", label: t("sync_by_content"), hint: t("sync_by_content_hint") },
        ]}
        onChange={(value: string) => (dryRun.wishes.value = { ...wishes, byContent: value === "content" })}
      />
      <Tick
        label={t("sync_hidden")}
        checked={wishes.takesHidden}
        onChange={(takesHidden) => (dryRun.wishes.value = { ...wishes, takesHidden })}
      />
    </>
  );
}

/** One of several. */
function Radios<T extends string>({
  legend,
  value,
  options,
  onChange,
}: {
  legend: string;
  value: T;
  options: readonly { readonly value: T; readonly label: string; readonly hint: string }[];
  onChange: (value: T) => void;
}) {
  const id = useId();
  return (
    <fieldset class="radios">
      <legend>{legend}</legend>
      {options.map((option) => (
        <div class="tick" key={option.value}>
          <input
            type="radio"
            id={`${id}-${option.value}`}
            name={id}
            checked={option.value === value}
            aria-describedby={`${id}-${option.value}-hint`}
            onChange={() => onChange(option.value)}
          />
          <div>
            <label for={`${id}-${option.value}`}>{option.label}</label>
            <p class="hint" id={`${id}-${option.value}-hint`}>
              {option.hint}
            </p>
          </div>
        </div>
      ))}
    </fieldset>
  );
}

function Progress({ looked }: { looked: Looked }) {
  const { contents } = looked;
  const size = (bytes: number): string => formatBytes(bytes, language.value);
  return (
    <div class="stack">
      <Loading text={t("sync_looking")} />
      <p class="tabular">
        {counted("sync_seen_there", looked.remote)} · {counted("sync_seen_here", looked.local)}
      </p>
      {contents !== null && (
        <>
          <p class="tabular">{t("sync_comparing", { done: size(contents.done), all: size(contents.all) })}</p>
          <progress max={Math.max(1, contents.all)} value={contents.done} aria-label={t("sync_same")} />
        </>
      )}
    </div>
  );
}
