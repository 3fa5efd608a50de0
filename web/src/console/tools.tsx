/** The tools of a session: what can be used now, and the others greyed, each with the reason why not. */
import { FolderOpen, Gauge, MousePointerClick, SquareTerminal } from "lucide-preact";
import type { Session, Tool } from "../api/types";
import { t, type PlainKey } from "../i18n/text";
import { Button } from "../ui/buttons";
import { Icon, type IconType } from "../ui/icon";

interface ToolFace {
  readonly tool: Tool;
  readonly word: PlainKey;
  readonly icon: IconType;
  /** Where it opens. */
  readonly href: (session: string) => string;
}

const FACES: readonly ToolFace[] = [
  { tool: "control", word: "remote_control", icon: MousePointerClick, href: (id) => `/session/${encodeURIComponent(id)}` },
  { tool: "files", word: "file_manager", icon: FolderOpen, href: (id) => `/session/${encodeURIComponent(id)}/files` },
  { tool: "dashboard", word: "dashboard", icon: Gauge, href: (id) => `/session/${encodeURIComponent(id)}/dashboard` },
  { tool: "shell", word: "terminal", icon: SquareTerminal, href: (id) => `/session/${encodeURIComponent(id)}/shell` },
];

type Reason = NonNullable<Session["tools"][Tool]["reason"]>;

const REASONS: Readonly<Record<Reason, PlainKey>> = {
  plan: "tool_plan",
  company: "tool_company",
  offline: "tool_offline",
  not_active: "tool_not_active",
  access: "tool_access",
};

export function Tools({ session }: { session: Session }) {
  return (
    <>
      {FACES.map((face) => {
        const { reason } = session.tools[face.tool];
        return reason === null ? (
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
          <Greyed key={face.tool} face={face} why={t(REASONS[reason])} />
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
