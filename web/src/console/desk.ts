/**
 * What a technician's page knows and keeps going: the live sessions, the secrets of those it prepared, and one pairing
 * driver for each of them that is not active yet.
 *
 * Owner of the secrets' life: they are stored when a session is prepared, and removed here when it becomes active or ends.
 */
import { effect, signal, untracked } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { LiveSessions } from "../api/live";
import { api } from "../api/client";
import { startClock } from "../api/clock";
import type { MailResult, Me, Session } from "../api/types";
import { removePairingKey } from "../keeping/pairingKeys";
import { PendingSecrets, withNewCode, type Pending } from "../keeping/pending";
import { PairingDriver, type PairingState } from "../pairing/driver";
import { openPairLine } from "../pairing/line";
import { clean } from "../text/clean";
import { PrepareDraft } from "./draft";
import type { Prepared } from "./prepareCard";
import { SessionList } from "./sessionList";

const NO_PAIRING: PairingState = { step: "waiting_host", fault: null, problem: null };

export class Desk {
  readonly live = new LiveSessions();
  readonly pendings = new PendingSecrets(sessionStorage);
  readonly draft = new PrepareDraft();
  readonly list = new SessionList();
  /** The secrets of sessions that this tab prepared, by session; a mirror of `pendings` that pages can follow. */
  readonly pending = signal<ReadonlyMap<string, Pending>>(new Map());
  /** What became of each session's mail when it was handed over here; the feed's word goes before it. */
  readonly mails = signal<ReadonlyMap<string, MailResult>>(new Map());
  /** Sessions whose link was copied when they were prepared. */
  readonly copied = signal<ReadonlySet<string>>(new Set());
  /** Access passwords of sessions that became active in this tab, in memory only, until noted down. */
  readonly lastPasswords = signal<ReadonlyMap<string, string>>(new Map());
  /** Names of the computers that joined each session while this page was open, in order. */
  readonly hostsSeen = signal<ReadonlyMap<string, readonly string[]>>(new Map());
  /** Sessions that ended while this page was open, until dismissed. */
  readonly justEnded = signal<ReadonlySet<string>>(new Set());
  /** Sessions seen open by this page. */
  readonly #seenOpen = new Set<string>();
  readonly #drivers = signal<ReadonlyMap<string, PairingDriver>>(new Map());

  /** @param me may be replaced by a newer answer about the same technician. */
  constructor(public me: Me) {}

  /** Runs until `signal` is aborted or the technician is signed out. */
  async run(signal: AbortSignal): Promise<void> {
    const stop = effect(() => {
      const sessions = this.live.all.value;
      untracked(() => sessions.forEach((session) => this.#follow(session)));
    });
    const forget = effect(() => {
      // Only a live picture is complete: nothing is forgotten on the word of an old one.
      if (this.live.state.value !== "live") return;
      const open = new Set(this.live.open.value.map((session) => session.id));
      untracked(() => this.#forgetAllBut(open));
    });
    try {
      await this.live.run(signal);
    } finally {
      stop();
      forget();
      for (const driver of this.#drivers.peek().values()) driver.stop();
      this.#drivers.value = new Map();
    }
  }

  /** How the pairing of a session stands. Follows. */
  pairingOf(session: string): PairingState {
    return this.#drivers.value.get(session)?.state.value ?? NO_PAIRING;
  }

  /** Takes in a session that was just prepared here; its secrets are stored already. */
  addPrepared({ session, mail, way, isCopied }: Prepared): void {
    if (isCopied) this.copied.value = new Set(this.copied.peek()).add(session.id);
    if (way === "relay") this.noteMail(session.id, mail);
    this.live.update(session);
  }

  noteMail(session: string, mail: MailResult): void {
    this.mails.value = new Map(this.mails.peek()).set(session, mail);
    const copied = new Set(this.copied.peek());
    if (copied.delete(session)) this.copied.value = copied;
  }

  /** Makes a new security code current: at the relay, then here. */
  async renewCode(id: string): Promise<void> {
    const { session } = await api.renewCode(id);
    const pending = this.pendings.get(id);
    if (pending !== null) this.#put(id, withNewCode(pending, session.code, Date.now()));
    this.live.update(session);
    this.#drivers.peek().get(id)?.useCode(this.pendings.get(id));
  }

  forgetPassword(session: string): void {
    const passwords = new Map(this.lastPasswords.peek());
    passwords.delete(session);
    this.lastPasswords.value = passwords;
  }

  dismissEnded(session: string): void {
    const rest = new Set(this.justEnded.peek());
    rest.delete(session);
    this.justEnded.value = rest;
  }

  #follow(session: Session): void {
    // What colleagues do without us is in the list; it is no news.
    if (session.state !== "ended" && session.access !== "read") this.#seenOpen.add(session.id);
    else if (this.#seenOpen.delete(session.id)) {
      this.justEnded.value = new Set(this.justEnded.peek()).add(session.id);
    }
    if (session.state === "prepared" || session.state === "waiting") {
      this.#seeHost(session);
      const pending = this.pending.peek().get(session.id) ?? this.pendings.get(session.id);
      // Handed over: whose session it is makes the next code.
      if (pending !== null && session.access !== "owner") return this.#forget(session.id);
      if (pending === null) return;
      if (!this.pending.peek().has(session.id)) this.#put(session.id, pending);
      this.#driverOf(session, pending).follow(session);
    } else {
      const pending = this.pendings.get(session.id);
      if (session.state === "active" && pending !== null) {
        this.lastPasswords.value = new Map(this.lastPasswords.peek()).set(session.id, pending.password);
      }
      this.#forget(session.id);
      if (session.state === "ended") {
        this.forgetPassword(session.id);
        void removePairingKey(session.id);
      }
    }
  }

  #driverOf(session: Session, pending: Pending): PairingDriver {
    const known = this.#drivers.peek().get(session.id);
    if (known !== undefined) return known;
    const driver = new PairingDriver(session, pending, (signal) => openPairLine(session, this.me, signal));
    this.#drivers.value = new Map(this.#drivers.peek()).set(session.id, driver);
    void driver.run();
    return driver;
  }

  #seeHost(session: Session): void {
    const computer = clean(session.host?.computer);
    const seen = this.hostsSeen.peek().get(session.id) ?? [];
    if (computer === "" || seen.at(-1) === computer) return;
    this.hostsSeen.value = new Map(this.hostsSeen.peek()).set(session.id, [...seen, computer].slice(-5));
  }

  #put(session: string, pending: Pending): void {
    this.pendings.put(session, pending);
    this.pending.value = new Map(this.pending.peek()).set(session, pending);
  }

  #forget(session: string): void {
    this.pendings.remove(session);
    const pending = new Map(this.pending.peek());
    if (pending.delete(session)) this.pending.value = pending;
    const drivers = new Map(this.#drivers.peek());
    drivers.get(session)?.stop();
    if (drivers.delete(session)) this.#drivers.value = drivers;
  }

  #forgetAllBut(open: ReadonlySet<string>): void {
    this.pendings.keepOnly(open);
    for (const session of this.pending.peek().keys()) if (!open.has(session)) this.#forget(session);
  }
}

let running: { readonly desk: Desk; readonly stop: () => void } | null = null;

/** The desk of whoever is signed in; it is opened at the first call and goes on while other pages are shown. */
function deskOf(me: Me): Desk {
  if (running?.desk.me.technician.id !== me.technician.id) {
    closeDesk();
    const desk = new Desk(me);
    const lifetime = new AbortController();
    const stopClock = startClock();
    void desk.run(lifetime.signal);
    running = {
      desk,
      stop: () => {
        lifetime.abort();
        stopClock();
      },
    };
  }
  running.desk.me = me;
  return running.desk;
}

/** Ends the desk of whoever was signed in: its feed, its pairings, and the secrets in its memory. */
export function closeDesk(): void {
  running?.stop();
  running = null;
}

/** The desk, for a page. `onSignedOut` is called when the relay says so. */
export function useDesk(me: Me, onSignedOut: () => void): Desk {
  const desk = untracked(() => deskOf(me));
  useEffect(
    () =>
      effect(() => {
        if (desk.live.state.value === "signed_out") untracked(onSignedOut);
      }),
    [desk],
  );
  return desk;
}
