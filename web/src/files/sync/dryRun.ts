/** One dry run, from the wishes to the plan with its choices: what the dialog shows. */
import { computed, signal } from "@preact/signals";
import { t, type PlainKey } from "../../i18n/text";
import { Requests } from "../../tools/requests";
import type { SealedChannel } from "../../tunnel/sealedChannel";
import { FilesClient } from "../client";
import { MAX_TASKS, sentenceOfProblem, type Work } from "../jobs";
import { shownName, nameOf, type Name } from "../paths";
import type { Workshop } from "../transfers";
import { LocalSide } from "./localSide";
import { look, unknownOf, type Looked, type Seen, type Wishes } from "./look";
import { recall, type Memory } from "./memory";
import { mirror, twoWay, type Action, type Side } from "./plan";
import { RemoteSide } from "./remoteSide";
import { SyncRun } from "./run";

/** Both ways, or one side becomes a copy of the other: `toRemote` makes the customer's a copy of this computer's. */
export type Mode = "both" | "toRemote" | "toLocal";
/** What to do with a conflict. `both`: this computer's gets another name. */
export type Choice = Side | "both" | "skip";

export type Phase =
  | { readonly kind: "wishes" }
  | { readonly kind: "looking"; readonly looked: Looked }
  | { readonly kind: "failed"; readonly why: PlainKey }
  | { readonly kind: "plan"; readonly seen: Seen; readonly memory: Memory; readonly local: LocalSide };

/** How somebody wanted it before: in another tab, which was closed in the middle. */
export interface Before {
  readonly mode: Mode;
  readonly wishes: Wishes;
  readonly choices: readonly (readonly [string, Choice])[];
}

/** Where a dry run looks. */
export interface Place {
  readonly session: string;
  readonly folder: FileSystemDirectoryHandle;
  readonly top: Name;
  readonly workshop: Workshop;
}

export class DryRun {
  readonly phase = signal<Phase>({ kind: "wishes" });
  readonly wishes = signal<Wishes>({ takesHidden: true, byContent: false });
  readonly mode = signal<Mode>("both");
  /** By a conflict's path; one that is not there is left alone. */
  readonly choices = signal<ReadonlyMap<string, Choice>>(new Map());
  /** Without the choices: what there is to choose. */
  readonly planned = computed(() => this.#plan(false));
  /** What would be done with the choices as they are; conflicts that are left alone are not among them. */
  readonly chosen = computed(() => this.#plan(true).filter(({ deed }) => deed !== "conflict"));
  readonly both = computed(() => this.planned.value.filter((action) => this.#isBoth(action)).map(({ path }) => path));
  readonly isTooMuch = computed(() => this.chosen.value.length + this.both.value.length > MAX_TASKS);
  #stop: AbortController | null = null;

  /** @param before as it was wanted before; then the choices are offered again for what is still a conflict. */
  constructor(
    readonly place: Place,
    isMirror: boolean,
    readonly before: Before | null = null,
  ) {
    if (isMirror) this.mode.value = "toLocal";
    if (before === null) return;
    this.mode.value = before.mode;
    this.wishes.value = before.wishes;
  }

  /** How it is wanted now. */
  get wanted(): Before {
    return { mode: this.mode.peek(), wishes: this.wishes.peek(), choices: [...this.choices.peek()] };
  }

  /** Looks at both folders; ends in a plan, in a failure, or, when it is cancelled, where it began. */
  async look(open: () => Promise<SealedChannel>): Promise<void> {
    const stop = (this.#stop = new AbortController());
    const { session, folder, top, workshop } = this.place;
    this.choices.value = new Map();
    this.phase.value = { kind: "looking", looked: { local: 0, remote: 0, contents: null } };
    try {
      const requests = new Requests(await open());
      stop.signal.addEventListener("abort", () => requests.close());
      if (stop.signal.aborted) requests.close();
      const memory = await recall(session, folder, top);
      const local = new LocalSide(folder, memory.times);
      const onProgress = (looked: Looked): void => {
        if (!stop.signal.aborted) this.phase.value = { kind: "looking", looked };
      };
      const remote = new RemoteSide(new FilesClient(requests), top);
      const seen = await look(local, remote, this.wishes.peek(), workshop, throttled(onProgress), stop.signal);
      if (stop.signal.aborted) return;
      this.phase.value = { kind: "plan", seen, memory, local };
      this.#chooseAsBefore();
    } catch (error) {
      if (!stop.signal.aborted) this.phase.value = { kind: "failed", why: sentenceOfProblem(error) };
    } finally {
      stop.abort(); // also the other side's walk
    }
  }

  /** Stops looking, and goes back to the wishes. */
  cancel(): void {
    this.#stop?.abort();
    this.phase.value = { kind: "wishes" };
  }

  choose(path: string, choice: Choice): void {
    this.choices.value = new Map(this.choices.peek()).set(path, choice);
  }

  /** The same for all conflicts for which it can be said. */
  chooseForAll(choice: Choice): void {
    const choices = new Map<string, Choice>();
    for (const action of this.planned.peek()) {
      if (action.deed === "conflict" && this.choicesFor(action).includes(choice)) choices.set(action.path, choice);
    }
    this.choices.value = choices;
  }

  /** What can be said about a conflict: two files can both stay, and what is no file nor folder is only left alone. */
  choicesFor({ path }: Action): readonly Choice[] {
    const phase = this.phase.peek();
    if (phase.kind !== "plan") return [];
    const kinds = [phase.seen.local.get(path)?.kind, phase.seen.remote.get(path)?.kind];
    if (kinds.includes("other")) return ["skip"];
    return kinds.every((kind) => kind === "file") ? ["skip", "remote", "local", "both"] : ["skip", "remote", "local"];
  }

  /** The work that does what is planned. */
  work(): { work: Work; run: SyncRun } {
    const phase = this.phase.peek();
    if (phase.kind !== "plan") throw new Error("There is no plan yet.");
    const { session, workshop, top, folder } = this.place;
    const mode = this.mode.peek();
    const run = new SyncRun({
      session,
      workshop,
      local: phase.local,
      top,
      seen: phase.seen,
      actions: this.chosen.peek(),
      both: this.both.peek(),
      secondWord: t("sync_second"),
      memory: phase.memory,
      keepsKnown: mode === "both",
      now: new Date(),
    });
    const names = { here: folder.name || t("pane_local"), there: shownName(nameOf(top)) || "/" };
    const title = mode === "both" ? t("sync_job", names) : t(mode === "toRemote" ? "sync_job_to" : "sync_job_from", names);
    return { work: { direction: directionOfMode(mode), title, overwrite: true, tasks: (client) => run.tasks(client) }, run };
  }

  #chooseAsBefore(): void {
    const before = new Map(this.before?.choices);
    const choices = new Map<string, Choice>();
    for (const action of this.planned.peek()) {
      const choice = before.get(action.path);
      if (action.deed === "conflict" && choice !== undefined && this.choicesFor(action).includes(choice)) choices.set(action.path, choice);
    }
    this.choices.value = choices;
  }

  #isBoth({ deed, path }: Action): boolean {
    return deed === "conflict" && this.choices.value.get(path) === "both";
  }

  #plan(takesChoices: boolean): Action[] {
    const phase = this.phase.value;
    if (phase.kind !== "plan") return [];
    const { seen, memory } = phase;
    const unknown = unknownOf(seen);
    const mode = this.mode.value;
    if (mode !== "both") return mirror(seen.local, seen.remote, mode === "toRemote" ? "local" : "remote", unknown);
    const choices = takesChoices ? this.choices.value : new Map<string, Choice>();
    const prefer = (path: string): Side | null => {
      const choice = choices.get(path);
      return choice === "local" || choice === "remote" ? choice : null;
    };
    return twoWay(seen.local, seen.remote, memory.known, prefer, unknown);
  }
}

export function directionOfMode(mode: Mode): Work["direction"] {
  return mode === "both" ? "both" : mode === "toRemote" ? "up" : "down";
}

/** Milliseconds between two drawings of how far it is. */
const TELL_EVERY_MS = 100;

function throttled(tell: (looked: Looked) => void): (looked: Looked) => void {
  let last = -Infinity;
  return (looked) => {
    if (performance.now() - last < TELL_EVERY_MS) return;
    last = performance.now();
    tell(looked);
  };
}
