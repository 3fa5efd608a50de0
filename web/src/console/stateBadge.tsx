import {
  CircleCheck,
  CircleStop,
  Eye,
  Hourglass,
  MonitorUp,
  ShieldCheck,
  ShieldQuestion,
  Users,
  Wifi,
  WifiOff,
} from "lucide-preact";
import type { Session, SessionState } from "../api/types";
import { t } from "../i18n/text";
import { clean } from "../text/clean";
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

/** Why a session of somebody else is here: who let the reader in, or that they only read of it. */
export function AccessBadge({ session }: { session: Session }) {
  if (session.access === "owner") return null;
  if (session.access === "read") return <span class="badge">{t("of_colleague")}</span>;
  return (
    <span class="badge shared">
      <Icon as={session.access === "view" ? Eye : Users} size={16} />
      {t("let_in_by", { name: clean(session.technician.name) })}
      {session.access === "view" && ` · ${t("share_view")}`}
    </span>
  );
}

const REMOVALS = {
  confirmed: { icon: ShieldCheck, word: "removal_confirmed", kind: "good" },
  all_but_last: { icon: ShieldCheck, word: "removal_all_but_last", kind: "good" },
  pending: { icon: ShieldQuestion, word: "removal_pending", kind: "open" },
  none: null,
} as const;

/** Whether the host is known to be gone: never guessed. */
export function RemovalBadge({ removal }: { removal: Session["removal"] }) {
  const face = REMOVALS[removal];
  if (face === null) return null;
  return (
    <span class={`badge removal-${face.kind}`}>
      <Icon as={face.icon} size={16} />
      {t(face.word)}
    </span>
  );
}
