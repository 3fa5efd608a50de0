/** What a part of a page shows once the relay has answered. */
import { type Signal, signal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { sentenceOf } from "./errors";

export interface Loaded<T> {
  /** Null until the first answer; what was known stays while it is loaded again. */
  readonly value: Signal<T | null>;
  readonly fault: Signal<string | null>;
  /** Asks again. */
  readonly load: () => Promise<void>;
}

/** Loads when the component appears. */
export function useLoaded<T>(ask: () => Promise<T>): Loaded<T> {
  const loaded = useMemo<Loaded<T>>(() => {
    const value = signal<T | null>(null);
    const fault = signal<string | null>(null);
    const load = async (): Promise<void> => {
      try {
        value.value = await ask();
        fault.value = null;
      } catch (error) {
        fault.value = sentenceOf(error);
      }
    };
    return { value, fault, load };
  }, []);
  useEffect(() => void loaded.load(), []);
  return loaded;
}
