/** How far a customer has come, made of what the relay noted: which step is done, which is now, which is still to come. */
import type { Session } from "../api/types";

/** The customer's way, in order. A link that was copied is never mailed, and not every computer asks for rights. */
const WAY = [
  "mail_accepted",
  "link_opened",
  "host_downloaded",
  "started",
  "asking_rights",
  "waiting_code",
  "active",
  "first_picture",
] as const;

/** Why a host did not begin (relay/protocol/refusals.py): each may stand in the funnel once, with its last time. */
const REFUSALS = [
  "refused_managed_host",
  "refused_other_host",
  "refused_no_rights",
  "refused_old_system",
  "refused_dead_link",
  "refused_clock",
  "refused_wrong_relay",
  "refused_no_display",
  "refused_cannot_install",
] as const;

export type RefusalStep = (typeof REFUSALS)[number];
export type StepName = (typeof WAY)[number] | RefusalStep | "mail_failed" | "mail_waiting" | "wrong_code";
export type Progress = "done" | "current" | "pending" | "failed";

export interface Stage {
  readonly step: StepName;
  readonly progress: Progress;
  /** When it was reached; the last time of what happens repeatedly. */
  readonly at: string | null;
}

/** Shown only once they were reached. */
const OPTIONAL: ReadonlySet<string> = new Set(["mail_accepted", "asking_rights"]);
/** Reached when they begin, not when they are over. */
const STATES: ReadonlySet<string> = new Set(["asking_rights", "waiting_code"]);

export function funnelOf({ funnel, mail, state }: Pick<Session, "funnel" | "mail" | "state">): readonly Stage[] {
  const reached = new Map(funnel.map(({ step, at }) => [step, at]));
  const last = WAY.findLastIndex((step) => reached.has(step));
  const isOver = state === "ended";
  const shown = WAY.filter(
    (step, index) => step !== "mail_accepted" && (reached.has(step) || (index > last && !isOver && !OPTIONAL.has(step))),
  );
  const lastStep = WAY[last];
  const current = isOver
    ? undefined
    : lastStep !== undefined && STATES.has(lastStep)
      ? lastStep
      : shown.find((step) => !reached.has(step));
  const stages = shown.map<Stage>((step) => ({
    step,
    progress: step === current ? "current" : reached.has(step) ? "done" : "pending",
    at: reached.get(step) ?? null,
  }));
  const wrongAt = reached.get("wrong_code");
  if (wrongAt !== undefined) {
    const before = stages.findIndex(({ step }) => step === "active");
    const progress = reached.has("active") ? "done" : "failed";
    stages.splice(before < 0 ? stages.length : before, 0, { step: "wrong_code", progress, at: wrongAt });
  }
  const after = stages.findIndex(({ step, progress }) => step === "active" || progress === "pending" || progress === "current");
  stages.splice(after < 0 ? stages.length : after, 0, ...refusalStages(reached, state));
  const mailed = mailStage(reached, mail);
  return mailed === null ? stages : [mailed, ...stages];
}

/** The refusals, oldest first; over once a host has joined, since or now. */
function refusalStages(reached: ReadonlyMap<string, string>, state: Session["state"]): Stage[] {
  const joinedAt = [reached.get("started"), reached.get("active")].filter((at) => at !== undefined).sort().at(-1) ?? "";
  const isBegun = state === "waiting" || state === "active";
  return REFUSALS.flatMap<Stage>((step) => {
    const at = reached.get(step);
    if (at === undefined) return [];
    return [{ step, progress: isBegun || at < joinedAt ? "done" : "failed", at }];
  }).sort((one, other) => ((one.at ?? "") < (other.at ?? "") ? -1 : 1));
}

export function isRefusal(step: StepName): step is RefusalStep {
  return (REFUSALS as readonly string[]).includes(step);
}

function mailStage(reached: ReadonlyMap<string, string>, mail: Session["mail"]): Stage | null {
  const acceptedAt = reached.get("mail_accepted") ?? null;
  const failedAt = reached.get("mail_failed") ?? null;
  if (mail?.state === "waiting") return { step: "mail_waiting", progress: "current", at: mail.at };
  if (mail?.state === "failed") return { step: "mail_failed", progress: "failed", at: failedAt ?? mail.at };
  if (acceptedAt !== null) return { step: "mail_accepted", progress: "done", at: acceptedAt };
  return failedAt === null ? null : { step: "mail_failed", progress: "failed", at: failedAt };
}
