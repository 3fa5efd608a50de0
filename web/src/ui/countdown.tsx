import { secondsUntil } from "../api/clock";
import { formatCountdown, isoDuration } from "../text/format";

/** What is left until a moment of the relay's clock, to the second. */
export function Countdown({ until }: { until: string | null }) {
  const left = secondsUntil(until);
  if (left === null) return <span>–</span>;
  return (
    <time role="timer" class="countdown" datetime={isoDuration(left)}>
      {formatCountdown(left)}
    </time>
  );
}
