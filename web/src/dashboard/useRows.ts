/** A list that is asked for when it is shown, and again every few seconds while somebody looks at it. */
import { type Signal, signal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import type { PlainKey } from "../i18n/text";
import { RequestRefused } from "../tools/requests";
import { askRows } from "./client";
import { sentenceOfRefusal, type Feed } from "./feed";
import type { Row } from "./rows";

export interface LiveRows {
  readonly rows: Signal<readonly Row[] | null>;
  readonly fault: Signal<PlainKey | null>;
  readonly load: () => Promise<void>;
}

/** @param every milliseconds; null asks once. */
export function useRows(feed: Feed, list: string, isConnected: boolean, every: number | null): LiveRows {
  const live = useMemo<LiveRows>(() => {
    const rows = signal<readonly Row[] | null>(null);
    const fault = signal<PlainKey | null>(null);
    const load = async (): Promise<void> => {
      try {
        rows.value = await feed.ask((requests) => askRows(requests, list));
        fault.value = null;
      } catch (error) {
        // An interruption is told at the top of the page; what is known stays.
        if (error instanceof RequestRefused) fault.value = sentenceOfRefusal(error);
      }
    };
    return { rows, fault, load };
  }, [feed, list]);
  useEffect(() => {
    if (!isConnected) return undefined;
    let isOver = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const look = async (): Promise<void> => {
      // Nobody looks at a hidden page.
      if (!document.hidden) await live.load();
      if (!isOver && every !== null) timer = setTimeout(() => void look(), every);
    };
    void look();
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, [live, isConnected, every]);
  return live;
}
