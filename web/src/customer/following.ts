/** Follows how far the customer's computer has come, while the page is looked at. */
import { ApiProblem, api } from "../api/client";
import type { LinkFacts } from "../api/types";

const SHORTEST = 3000;
const LONGEST = 30_000;
/** A page that has been open for an hour asks every half minute. */
const SHARE_OF_AGE = 0.01;

/** Milliseconds until the relay is asked again, by those that the page has been open. */
export function pauseAfter(age: number): number {
  return Math.min(LONGEST, Math.max(SHORTEST, age * SHARE_OF_AGE));
}

/**
 * Tells each change of the link's facts, and once, as null, that the link leads nowhere any more.
 *
 * @returns what stops it.
 */
export function follow(invite: string, tell: (facts: LinkFacts | null) => void): () => void {
  const begun = performance.now();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isStopped = false;
  const ask = async (): Promise<void> => {
    if (document.visibilityState === "visible") {
      try {
        const facts = await api.link(invite);
        if (!isStopped) tell(facts);
      } catch (error) {
        // Out of reach for a moment: the page says that when something is pressed.
        if (error instanceof ApiProblem && error.status === 404 && !isStopped) {
          isStopped = true;
          tell(null);
        }
      }
    }
    if (!isStopped) timer = setTimeout(() => void ask(), pauseAfter(performance.now() - begun));
  };
  timer = setTimeout(() => void ask(), SHORTEST);
  return () => {
    isStopped = true;
    clearTimeout(timer);
  };
}
