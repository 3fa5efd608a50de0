/** Sending a form: once at a time, what is wrong beside each field, and nothing typed lost. */
import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useMemo, useRef } from "preact/hooks";
import { ApiProblem } from "../api/client";
import { sentenceOf } from "./errors";
import { Notice } from "./faces";

/** One form's sending: whether it is under way, whether it was done, and what the relay said about it. */
export class Submission {
  readonly isBusy = signal(false);
  /** Whether the last sending went well, and nothing was changed since. */
  readonly isDone = signal(false);
  /** What is wrong with the whole, in one sentence. */
  readonly fault = signal<string | null>(null);
  readonly #faults = signal<ReadonlyMap<string, string>>(new Map());

  /** @param shown names of the request's fields that stand in the form; messages about others join `fault`. */
  constructor(
    private readonly shown: readonly string[],
    private readonly say: (error: unknown) => string = sentenceOf,
  ) {}

  /** What is wrong with a field, or null. Follows. */
  of(field: string): string | null {
    return this.#faults.value.get(field) ?? null;
  }

  /** Says what is wrong without asking the relay. */
  refuse(field: string, message: string): void {
    this.#faults.value = new Map([[field, message]]);
    this.isDone.value = false;
  }

  /** Something was typed: what was said before is old. */
  touch(): void {
    this.isDone.value = false;
  }

  /** Does `work` unless it is under way; resolves to whether it went well. */
  async send(work: () => Promise<unknown>): Promise<boolean> {
    if (this.isBusy.peek()) return false;
    this.isBusy.value = true;
    this.isDone.value = false;
    this.fault.value = null;
    this.#faults.value = new Map();
    try {
      await work();
      // `refuse` may have been called by the work itself.
      this.isDone.value = this.#faults.peek().size === 0;
    } catch (error) {
      this.#take(error);
    } finally {
      this.isBusy.value = false;
    }
    return this.isDone.peek();
  }

  #take(error: unknown): void {
    const fields = error instanceof ApiProblem ? [...error.fields] : [];
    const beside = fields.filter(([name]) => this.shown.includes(name));
    const others = fields.filter(([name]) => !this.shown.includes(name));
    this.#faults.value = new Map(beside);
    if (beside.length > 0 && others.length === 0) return;
    this.fault.value = [this.say(error), ...others.map(([name, message]) => `${name}: ${message}`)].join(" ");
  }
}

/** A `Submission` for as long as the component lives. */
export function useSubmission(shown: readonly string[] = [], say?: (error: unknown) => string): Submission {
  return useMemo(() => new Submission(shown, say), []);
}

/** A form whose faults are said, and whose first wrong field gets the focus. */
export function Form({
  submission,
  label,
  onSend,
  children,
}: {
  submission: Submission;
  /** What a screen reader calls it. */
  label?: string | undefined;
  onSend: () => Promise<unknown>;
  children: ComponentChildren;
}) {
  const form = useRef<HTMLFormElement>(null);
  const send = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (await submission.send(onSend)) return;
    requestAnimationFrame(() => form.current?.querySelector<HTMLElement>("[aria-invalid=true]")?.focus());
  };
  return (
    <form
      ref={form}
      class="stack"
      noValidate
      aria-label={label}
      onSubmit={(event) => void send(event)}
      onInput={() => submission.touch()}
    >
      {children}
      {submission.fault.value !== null && (
        <Notice kind="bad" live>
          {submission.fault.value}
        </Notice>
      )}
    </form>
  );
}
