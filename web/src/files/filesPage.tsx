/** The File Manager: the customer's computer on one side, the technician's on the other, and what is on its way. */
import { FolderOpen } from "lucide-preact";
import { useEffect } from "preact/hooks";
import { useSignal } from "@preact/signals";
import type { Me } from "../api/types";
import { clean } from "../text/clean";
import type { OpenTool } from "../tools/connection";
import { Requests } from "../tools/requests";
import { ToolPage } from "../tools/toolPage";
import { Loading } from "../ui/faces";

export function FilesPage({ me, sessionId, onSignedOut }: { me: Me; sessionId: string; onSignedOut: () => void }) {
  return (
    <ToolPage me={me} sessionId={sessionId} tool="files" word="file_manager" icon={FolderOpen} onSignedOut={onSignedOut}>
      {(opened) => <Roots opened={opened} />}
    </ToolPage>
  );
}

function Roots({ opened }: { opened: OpenTool | null }) {
  const roots = useSignal<readonly unknown[] | null>(null);
  useEffect(() => {
    if (opened === null) return;
    void new Requests(opened.channel).ask("roots").then(
      ({ head }) => (roots.value = (head["ok"] as { roots: unknown[] }).roots),
      () => undefined,
    );
  }, [opened]);
  if (roots.value === null) return <Loading />;
  return <ul>{roots.value.map((root) => <li>{clean((root as { path: unknown }).path)}</li>)}</ul>;
}
