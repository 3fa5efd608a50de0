/** The tools of a session: what can be used now, and the others greyed, each with the reason why not. */
import { FolderOpen, Gauge, MousePointerClick } from "lucide-preact";
import type { Session, Tool } from "../api/types";
import { t, type PlainKey } from "../i18n/text";
import { Button } from "../ui/buttons";
import { Icon, type IconType } from "../ui/icon";

interface ToolFace {
  readonly tool: Tool;
  readonly word: PlainKey;
  readonly icon: IconType;
  /** Where it opens; null: this page cannot open it, and shows it only while it is not to be had at all. */
  readonly href: ((session: string) => string) | null;
}

const FACES: readonly ToolFace[] = [
  { tool: "control", word: "remote_control", icon: MousePointerClick, href: (id) => `/session/${encodeURIComponent(id)}` },
  { tool: "files", word: "file_manager", icon: FolderOpen, href: null },
  { tool: "dashboard", word: "dashboard", icon: Gauge, href: null },
];

type Reason = NonNullable<Session["tools"][Tool]["reason"]>;

const REASONS: Readonly<Record<Reason, PlainKey>> = {
  plan: "tool_plan",
  offline: "tool_offline",
  not_active: "tool_not_active",
  access: "tool_access",
};

/** Reasons that waiting does not cure. */
const LASTING: ReadonlySet<Reason | null> = new Set<Reason>(["plan", "access"]);

export function Tools({ session }: { session: Session }) {
  return (
    <>
      {FACES.map((face) => {
        const { reason } = session.tools[face.tool];
        if (face.href === null && !LASTING.has(reason)) return null;
        return reason === null && face.href !== null ? (
          <a
            key={face.tool}
            class="button main"
            href={face.href(session.id)}
            target="_blank"
            rel="noopener noreferrer"
          >
            <Icon as={face.icon} size={18} />
            <span>{t(face.word)}</span>
          </a>
        ) : (
          <Greyed key={face.tool} face={face} why={t(reason === null ? "tool_not_now" : REASONS[reason])} />
        );
      })}
    </>
  );
}

function Greyed({ face, why }: { face: ToolFace; why: string }) {
  return (
    <span class="gated">
      <Button icon={face.icon} disabled label={`${t(face.word)}: ${why}`}>
        {t(face.word)}
      </Button>
      <span class="hint">{why}</span>
    </span>
  );
}
