/** The Dashboard: what the customer's computer is and does. */
import { useSignal } from "@preact/signals";
import { Gauge } from "lucide-preact";
import { useEffect } from "preact/hooks";
import type { Me } from "../api/types";
import { t } from "../i18n/text";
import { clean } from "../text/clean";
import type { OpenTool } from "../tools/connection";
import { Requests } from "../tools/requests";
import { ToolPage } from "../tools/toolPage";
import { Loading } from "../ui/faces";
import { askSystem, type Row } from "./client";

export function DashboardPage({ me, sessionId, onSignedOut }: { me: Me; sessionId: string; onSignedOut: () => void }) {
  return (
    <ToolPage me={me} sessionId={sessionId} tool="dashboard" word="dashboard" icon={Gauge} onSignedOut={onSignedOut}>
      {(opened) => <Dashboard opened={opened} />}
    </ToolPage>
  );
}

function Dashboard({ opened }: { opened: OpenTool | null }) {
  const system = useSignal<Row | null>(null);
  useEffect(() => {
    if (opened === null) return;
    const requests = new Requests(opened.channel);
    void askSystem(requests).then((told) => (system.value = told), () => undefined);
  }, [opened]);
  if (system.value === null) return <Loading />;
  return (
    <section class="card" aria-label={t("computer")}>
      <h2>{clean(system.value["computer"])}</h2>
      <p>{clean(system.value["os"])}</p>
    </section>
  );
}
