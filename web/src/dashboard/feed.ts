/** What the Dashboard keeps going: the live load, and requests whose answers a part of the page shows. */
import { signal } from "@preact/signals";
import type { PlainKey } from "../i18n/text";
import { RequestRefused, Requests } from "../tools/requests";
import type { OpenTool } from "../tools/connection";
import { askSystem, watch, type Load } from "./client";
import { Ring } from "./ring";
import type { Row } from "./rows";

export class Feed {
  readonly system = signal<Row | null>(null);
  readonly load = signal<Load | null>(null);
  /** Counts what came for the charts. */
  readonly ticks = signal(0);
  ring = new Ring();
  #opened: OpenTool | null = null;
  #requests: Requests | null = null;

  /** There is a connection now; null: there is none. What is known stays. */
  connect(opened: OpenTool | null): void {
    this.#opened = opened;
    this.#requests = opened === null ? null : new Requests(opened.channel);
    if (opened === null) return;
    void this.#watch(opened);
    void this.ask(askSystem).then((system) => (this.system.value = system), () => undefined);
  }

  /** Asks something on the page's one stream for questions. @throws RequestRefused, StreamClosed. */
  ask<T>(question: (requests: Requests) => Promise<T>): Promise<T> {
    if (this.#requests === null) return Promise.reject(new RequestRefused("busy"));
    return question(this.#requests);
  }

  /** A stream of its own, for what has no end; closed by the caller. */
  async openRequests(): Promise<Requests> {
    if (this.#opened === null) throw new RequestRefused("busy");
    return new Requests(await this.#opened.openStream("dashboard"));
  }

  async #watch(opened: OpenTool): Promise<void> {
    const ring = new Ring();
    try {
      const requests = new Requests(await opened.openStream("dashboard"));
      await watch(requests, {
        column: (name, values) => ring.fill(name, values),
        begins: (beganAt, step) => {
          ring.begin(beganAt, step);
          this.ring = ring;
          this.ticks.value += 1;
        },
        load: (load) => {
          this.load.value = load;
          ring.add(Date.now() / 1000, {
            cpu: load.cpu,
            memory: load.memoryTotal > 0 ? (load.memoryUsed / load.memoryTotal) * 100 : 0,
            disk_read: load.diskRead,
            disk_written: load.diskWritten,
            received: load.received,
            sent: load.sent,
          });
          this.ticks.value += 1;
        },
      });
    } catch {
      // The connection's end is told by `connect`; a host that cannot say what it does is shown without.
    }
  }
}

/** The sentence for an error of a question. */
export function sentenceOfRefusal(error: unknown): PlainKey {
  return error instanceof RequestRefused ? error.sentence : "problem_cut";
}
