/** The company's events in words. */
import { textIfAny } from "../i18n/text";
import { clean } from "../text/clean";

export const EVENTS = [
  "session.prepared",
  "session.activated",
  "session.ended",
  "session.attached",
  "session.detached",
  "session.wrong_code",
  "mail.failed",
  "removal.confirmed",
] as const;

/** Events in the order in which a session goes through them; newer ones last. */
export function inOrder(events: readonly string[]): readonly string[] {
  const known: readonly string[] = EVENTS;
  return [...known.filter((event) => events.includes(event)), ...events.filter((event) => !known.includes(event))];
}

/** An event in words; one that is newer than this page as the relay writes it. */
export function eventWord(event: string): string {
  return textIfAny(`event_${event.replace(".", "_")}`) ?? clean(event);
}
