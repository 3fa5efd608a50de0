import { CircleCheck, CircleStop, Hourglass, MonitorUp, Wifi, WifiOff } from "lucide-preact";
import type { SessionState } from "../api/types";
import { t } from "../i18n/text";
import { Icon } from "../ui/icon";

const STATES = {
  prepared: { icon: Hourglass, word: "state_prepared" },
  waiting: { icon: MonitorUp, word: "state_waiting" },
  active: { icon: CircleCheck, word: "state_active" },
  ended: { icon: CircleStop, word: "state_ended" },
} as const;

/** A session's state as a word, an icon and a colour. */
export function StateBadge({ state }: { state: SessionState }) {
  const { icon, word } = STATES[state];
  return (
    <span class={`badge ${state}`}>
      <Icon as={icon} size={16} />
      {t(word)}
    </span>
  );
}

/** Whether a computer is connected to the relay, likewise. */
export function OnlineBadge({ isOnline }: { isOnline: boolean }) {
  return (
    <span class={`badge ${isOnline ? "online" : "offline"}`}>
      <Icon as={isOnline ? Wifi : WifiOff} size={16} />
      {t(isOnline ? "online" : "offline")}
    </span>
  );
}
