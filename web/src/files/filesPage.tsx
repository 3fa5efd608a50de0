/** The File Manager: the customer's computer on one side, the technician's on the other, and what is on its way. */
import { useSignal } from "@preact/signals";
import { FolderOpen } from "lucide-preact";
import { useEffect, useMemo } from "preact/hooks";
import "../styles/files.css";
import { ApiProblem, api } from "../api/client";
import type { Me } from "../api/types";
import { counted, t } from "../i18n/text";
import type { OpenTool } from "../tools/connection";
import { ToolPage } from "../tools/toolPage";
import { Button } from "../ui/buttons";
import { Dialog } from "../ui/dialog";
import { JobList } from "./jobList";
import { Jobs } from "./jobs";
import { forgetKeptJobs, KeptJobs, type KeptJob } from "./keptJobs";
import { KeptJobList } from "./keptJobList";
import { LocalFolder } from "./localFolder";
import { has, sourcesOfDrop, type Source } from "./localFiles";
import { LocalPane } from "./localPane";
import { isAllowed, workOf, type CopyOrder } from "./orders";
import { removeOldParts } from "./parts";
import { shownName } from "./paths";
import { RemoteFolder } from "./remoteFolder";
import { LOCAL_DRAG, RemotePane } from "./remotePane";
import { forgetOld } from "./sync/memory";
import { SyncBar, type KeptSync } from "./sync/syncBar";
import { localName, type Wanted } from "./works";
import { WorkerLink } from "./workerLink";

export function FilesPage({ me, sessionId, onSignedOut }: { me: Me; sessionId: string; onSignedOut: () => void }) {
  return (
    <ToolPage me={me} sessionId={sessionId} tool="files" word="file_manager" icon={FolderOpen} onSignedOut={onSignedOut}>
      {(opened) => <Files opened={opened} session={sessionId} />}
    </ToolPage>
  );
}

async function isOver(session: string): Promise<boolean> {
  try {
    return (await api.session(session)).session.state === "ended";
  } catch (error) {
    return error instanceof ApiProblem && error.status === 404;
  }
}

/** Forgets what is kept of sessions that are over. */
function forgetEnded(): void {
  // No such storage: nothing is kept there either.
  void removeOldParts(isOver).catch(() => undefined);
  void forgetOld(isOver).catch(() => undefined);
  void forgetKeptJobs(isOver).catch(() => undefined);
}

/** Of things that are copied together: beyond that, the first stands for all. */
const MAX_TITLE_NAMES = 3;

/** Something of the same name is there: what to do with it is asked once for each job. */
interface Collision {
  readonly count: number;
  readonly begin: (overwrite: boolean) => void;
}

function Files({ opened, session }: { opened: OpenTool | null; session: string }) {
  const remote = useMemo(() => new RemoteFolder(), []);
  const local = useMemo(() => new LocalFolder(), []);
  const jobs = useMemo(() => new Jobs(), []);
  const kept = useMemo(() => new KeptJobs(session), [session]);
  const workshop = useMemo(() => new WorkerLink(), []);
  const remoteChosen = useSignal<ReadonlySet<string>>(new Set());
  const localChosen = useSignal<ReadonlySet<string>>(new Set());
  const collision = useSignal<Collision | null>(null);
  const resumed = useSignal<KeptSync | null>(null);

  useEffect(() => {
    remote.connect(opened);
    jobs.connect(opened === null ? null : () => opened.openStream("files"));
  }, [opened]);
  useEffect(() => {
    jobs.onDone = ({ work: { direction } }) => {
      if (direction !== "down") void remote.refresh();
      if (direction !== "up") void local.refresh();
    };
    forgetEnded();
    const look = (): void => {
      if (document.visibilityState === "visible") void kept.look();
    };
    look();
    document.addEventListener("visibilitychange", look);
    const warn = (event: BeforeUnloadEvent): void => {
      if (jobs.list.peek().some((job) => !job.isOver.peek())) event.preventDefault();
    };
    addEventListener("beforeunload", warn);
    return () => {
      removeEventListener("beforeunload", warn);
      document.removeEventListener("visibilitychange", look);
      for (const job of jobs.list.peek()) job.pause();
      kept.close();
      workshop.close();
      // If the page goes because the session has ended, what it kept of downloads goes too.
      forgetEnded();
    };
  }, []);

  type Sources = () => Iterable<Source>;
  /** @param before the job, if another tab has left it; a new one is kept. */
  const add = (title: string, overwrite: boolean, order: CopyOrder, chosen?: Sources, before?: KeptJob): void => {
    const common = { session, workshop, title, overwrite, ...(before === undefined ? {} : { since: before.at }) };
    const job = jobs.add(workOf(order, common, chosen));
    void kept.keepUntil(job.isOver, title, overwrite, order, before);
  };
  /** Begins at once, or asks first what to do with `count` things that are there already. */
  const begin = (count: number, title: string, order: CopyOrder, chosen?: Sources): void => {
    if (count === 0) add(title, false, order, chosen);
    else collision.value = { count, begin: (overwrite) => add(title, overwrite, order, chosen) };
  };
  const takeUp = async (job: KeptJob, chosen?: Sources): Promise<void> => {
    const { order } = job;
    if (!(await isAllowed(order))) return;
    // Looked at again and shown first; it stays among what was left until it is run.
    if (order.kind === "sync") resumed.value = { ...job, order };
    else if (await kept.takeOver(job.id)) add(job.title, job.overwrite, order, chosen, job);
  };
  const titleOf = (names: readonly string[]): string =>
    names.length <= MAX_TITLE_NAMES ? names.join(", ") : `${names[0] ?? ""}, … (${counted("things", names.length)})`;

  const bring = async (wanted: readonly Wanted[]): Promise<void> => {
    const folder = local.current;
    const names = wanted.map(({ entry }) => shownName(entry.name));
    let count = 0;
    if (folder !== null) {
      for (const { entry } of wanted) if (await has(folder, localName(entry.name))) count += 1;
    }
    begin(count, titleOf(names), { kind: "fetch", wanted, folder });
  };
  const send = (names: readonly string[], folder: FileSystemDirectoryHandle | null, chosen?: Sources): void => {
    const to = remote.path.peek();
    if (to === null) return;
    const there = new Set(remote.entries.peek().map(({ name }) => name));
    const count = names.filter((name) => there.has(name)).length;
    const from = folder === null ? null : { folder, names };
    begin(count, titleOf(names), { kind: "send", to, from }, chosen);
  };
  const sendChosen = (): void => {
    const names = [...localChosen.value].map((key) => local.handle(key)?.name).filter((name) => name !== undefined);
    if (local.current !== null) send(names, local.current);
  };
  const sendSources = (sources: readonly Source[]): void => {
    send([...new Set(sources.map(({ path }) => path[0] ?? ""))], null, () => sources);
  };
  const fetchChosen = (): void => {
    const wanted = [...remoteChosen.value].map((key) => remote.find(key)).filter((found) => found !== null);
    void bring(wanted);
  };
  const dropped = (transfer: DataTransfer, isFromOutside: boolean): void => {
    if (!isFromOutside || transfer.types.includes(LOCAL_DRAG)) return sendChosen();
    const found = sourcesOfDrop(transfer);
    void (async () => {
      const sources: Source[] = [];
      for await (const source of found) sources.push(source);
      sendSources(sources);
    })();
  };
  return (
    <div class="files">
      <KeptJobList kept={kept} onResume={(job, chosen) => void takeUp(job, chosen)} />
      <div class="panes">
        <RemotePane
          folder={remote}
          chosen={remoteChosen}
          isConnected={opened !== null}
          fetchWord={t(local.current === null ? "fetch_download" : "fetch_chosen")}
          onFetch={(wanted) => void bring(wanted)}
          onDropped={dropped}
        />
        <LocalPane
          folder={local}
          chosen={localChosen}
          onSend={sendChosen}
          onSendFiles={sendSources}
          onDropped={fetchChosen}
        />
      </div>
      <SyncBar
        session={session}
        workshop={workshop}
        opened={opened}
        remote={remote}
        local={local}
        jobs={jobs}
        kept={kept}
        resumed={resumed}
      />
      <JobList jobs={jobs} isConnected={opened !== null} />
      {collision.value !== null && (
        <CollisionDialog collision={collision.value} onClose={() => (collision.value = null)} />
      )}
    </div>
  );
}

function CollisionDialog({ collision, onClose }: { collision: Collision; onClose: () => void }) {
  const begin = (overwrite: boolean): void => {
    collision.begin(overwrite);
    onClose();
  };
  return (
    <Dialog title={counted("collision_title", collision.count)} onClose={onClose}>
      <p>{t("collision_hint")}</p>
      <div class="dialog-actions">
        <Button onPress={onClose}>{t("cancel")}</Button>
        <Button onPress={() => begin(false)}>{t("collision_skip")}</Button>
        <Button kind="danger" onPress={() => begin(true)}>
          {t("collision_replace")}
        </Button>
      </div>
    </Dialog>
  );
}
