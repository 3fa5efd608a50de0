/** What would happen, grouped, with a choice for each conflict. */
import { useSignal } from "@preact/signals";
import { File, Folder } from "lucide-preact";
import { counted, language, t, type PlainKey } from "../../i18n/text";
import { clean } from "../../text/clean";
import { formatBytes, formatMoment } from "../../text/format";
import { Notice } from "../../ui/faces";
import { MAX_TASKS } from "../jobs";
import type { Choice, DryRun } from "./dryRun";
import { WHYS, grouped, matches, type Group } from "./groups";
import type { Seen } from "./look";
import { UNDO_FOLDER } from "./names";
import type { Action, Node } from "./plan";
import { Rows, type Row } from "./rowsView";

const CHOICES: Readonly<Record<Choice, PlainKey>> = {
  skip: "sync_skip",
  remote: "sync_theirs",
  local: "sync_ours",
  both: "sync_both",
};
const FOR_ALL: readonly Choice[] = ["skip", "remote", "local", "both"];

export function PlanView({ dryRun, seen }: { dryRun: DryRun; seen: Seen }) {
  const filter = useSignal("");
  const groups = grouped(dryRun.planned.value);
  const left = [...seen.left.values()].filter(({ shown }) => matches(shown, filter.value));
  const found = groups
    .map((group) => ({ group, actions: group.actions.filter(({ path }) => matches(path, filter.value)) }))
    .filter(({ actions }) => actions.length > 0);
  const isNothing = groups.length === 0;
  const usesUndo = dryRun.chosen.value.some(({ deed, replaces }) => deed === "delete" || replaces);
  return (
    <section class="stack" aria-label={t("sync_plan")}>
      {isNothing ? (
        <Notice kind="good" live>
          {t(seen.left.size === 0 ? "sync_nothing" : "sync_nothing_else")}
        </Notice>
      ) : (
        <Totals dryRun={dryRun} />
      )}
      {seen.hidden.size > 0 && <p class="hint">{counted("sync_hidden_left", seen.hidden.size)}</p>}
      {usesUndo && <p class="hint">{t("sync_to_undo", { folder: UNDO_FOLDER })}</p>}
      {dryRun.isTooMuch.value && <Notice kind="bad">{t("sync_too_much", { count: MAX_TASKS.toLocaleString(language.value) })}</Notice>}
      {(!isNothing || seen.left.size > 0) && (
        <input
          type="search"
          aria-label={t("sync_filter")}
          placeholder={t("sync_filter")}
          maxLength={200}
          value={filter.value}
          onInput={(event) => (filter.value = event.currentTarget.value)}
        />
      )}
      {found.map(({ group, actions }) => (
        <GroupView key={group.name} group={group} actions={actions} dryRun={dryRun} seen={seen} />
      ))}
      {left.length > 0 && (
        <details class="sync-group">
          <summary>
            <h3>{t("sync_left")}</h3>
            <span class="soft">{counted("things", seen.left.size)}</span>
          </summary>
          <Rows
            label={t("sync_left")}
            rows={left.map(({ shown, why }) => ({ key: `${shown}\n${why}`, path: shown, icon: File, note: t(why), size: null }))}
          />
        </details>
      )}
      {!isNothing && found.length === 0 && left.length === 0 && <p class="soft">{t("sync_filter_none")}</p>}
    </section>
  );
}

/** What it comes to, with the choices as they are. */
function Totals({ dryRun }: { dryRun: DryRun }) {
  const groups = grouped(dryRun.chosen.value);
  const both = dryRun.both.value.length;
  const conflicts = dryRun.planned.value.filter(({ deed }) => deed === "conflict").length;
  if (groups.length === 0 && both === 0) return <Notice kind="info">{t("sync_run_nothing")}</Notice>;
  return (
    <dl class="sync-totals tabular">
      {groups.map((group) => (
        <div key={group.name} class={group.name.startsWith("sync_delete") ? "sync-bad" : undefined}>
          <dt>{t(group.name)}</dt>
          <dd>{sumOf(group)}</dd>
        </div>
      ))}
      {conflicts > 0 && (
        <div>
          <dt>{t("sync_conflict")}</dt>
          <dd>{counted("things", conflicts)}</dd>
        </div>
      )}
    </dl>
  );
}

function sumOf({ name, files, folders, bytes, actions }: Group): string {
  const parts: string[] = [];
  if (files > 0) parts.push(counted("files", files));
  if (folders > 0) parts.push(counted("folders", folders));
  if (parts.length === 0) parts.push(counted("things", actions.length));
  if (bytes > 0 && !name.startsWith("sync_delete")) parts.push(formatBytes(bytes, language.value));
  return parts.join(" · ");
}

function GroupView({ group, actions, dryRun, seen }: { group: Group; actions: readonly Action[]; dryRun: DryRun; seen: Seen }) {
  const isConflict = group.name === "sync_conflict";
  const title = t(group.name);
  return (
    <details class="sync-group" open>
      <summary>
        <h3>{title}</h3>
        <span class="soft tabular">{isConflict ? counted("things", group.actions.length) : sumOf(group)}</span>
      </summary>
      {isConflict && <ForAll dryRun={dryRun} />}
      <Rows label={title} rows={actions.map((action) => rowOf(action, seen))}>
        {isConflict ? (row) => <ChoiceOf key={row.key} dryRun={dryRun} action={row.action} /> : undefined}
      </Rows>
    </details>
  );
}

interface ActionRow extends Row {
  readonly action: Action;
}

function rowOf(action: Action, seen: Seen): ActionRow {
  const { path, deed, side } = action;
  const node = deed === "conflict" ? seen.local.get(path) ?? seen.remote.get(path) : (side === "local") === (deed === "delete") ? seen.local.get(path) : seen.remote.get(path);
  const isFolder = node?.kind === "folder";
  let note = "";
  if (deed === "conflict") note = conflictNote(action, seen);
  else if (deed === "delete" && isFolder) note = counted("files", action.files);
  const size = deed === "conflict" || isFolder ? null : (node?.size ?? null);
  return { key: path, path, icon: isFolder ? Folder : File, note, size, action };
}

function conflictNote({ path, why }: Action, seen: Seen): string {
  const fact = (node: Node | undefined): string => {
    if (node === undefined) return t("sync_none");
    if (node.kind === "folder") return t("kind_folder");
    if (node.kind === "other") return t("kind_other");
    return `${formatBytes(node.size, language.value)}, ${formatMoment(new Date(node.modified).toISOString(), language.value)}`;
  };
  const reason = why === null ? "" : `${t(WHYS[why])} — `;
  return `${reason}${t("sync_this_there")}: ${fact(seen.remote.get(path))}; ${t("sync_this_here")}: ${fact(seen.local.get(path))}`;
}

function ForAll({ dryRun }: { dryRun: DryRun }) {
  const isBoth = dryRun.both.value.length > 0;
  return (
    <>
      <label class="sync-all">
        <span>{t("sync_all")}</span>
        <select
          value=""
          onChange={(event) => {
            dryRun.chooseForAll(event.currentTarget.value as Choice);
            event.currentTarget.value = "";
          }}
        >
          <option value="" disabled>
            {t("sync_choose")}
          </option>
          {FOR_ALL.map((choice) => (
            <option key={choice} value={choice}>
              {t(CHOICES[choice])}
            </option>
          ))}
        </select>
      </label>
      {isBoth && <p class="hint">{t("sync_both_hint")}</p>}
    </>
  );
}

function ChoiceOf({ dryRun, action }: { dryRun: DryRun; action: Action }) {
  const choices = dryRun.choicesFor(action);
  return (
    <select
      class="sync-choice"
      aria-label={t("sync_choice", { name: clean(action.path, 200) })}
      value={dryRun.choices.value.get(action.path) ?? "skip"}
      disabled={choices.length < 2}
      onChange={(event) => dryRun.choose(action.path, event.currentTarget.value as Choice)}
    >
      {choices.map((choice) => (
        <option key={choice} value={choice}>
          {t(CHOICES[choice])}
        </option>
      ))}
    </select>
  );
}
