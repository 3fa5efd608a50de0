/** The Dashboard: what the customer's computer is and does. */
import { useSignal } from "@preact/signals";
import { Gauge } from "lucide-preact";
import { useEffect, useMemo } from "preact/hooks";
import "../styles/dashboard.css";
import type { Me } from "../api/types";
import { t, type PlainKey } from "../i18n/text";
import type { OpenTool } from "../tools/connection";
import { ToolPage } from "../tools/toolPage";
import { EventLog } from "./eventLog";
import { Feed } from "./feed";
import { Changes, List } from "./lists";
import { Overview } from "./overview";
import { Processes } from "./processes";
import { Services } from "./services";
import { Tabs } from "./tabs";

const TABS: readonly { readonly name: string; readonly word: PlainKey }[] = [
  { name: "overview", word: "tab_overview" },
  { name: "processes", word: "tab_processes" },
  { name: "services", word: "tab_services" },
  { name: "schedule", word: "tab_schedule" },
  { name: "events", word: "tab_events" },
  { name: "software", word: "tab_software" },
  { name: "startup", word: "tab_startup" },
  { name: "environment", word: "tab_environment" },
  { name: "ports", word: "tab_ports" },
  { name: "changes", word: "tab_changes" },
  { name: "record", word: "tab_record" },
];

export function DashboardPage({ me, sessionId, onSignedOut }: { me: Me; sessionId: string; onSignedOut: () => void }) {
  return (
    <ToolPage me={me} sessionId={sessionId} tool="dashboard" word="dashboard" icon={Gauge} onSignedOut={onSignedOut}>
      {(opened) => <Dashboard opened={opened} />}
    </ToolPage>
  );
}

function Dashboard({ opened }: { opened: OpenTool | null }) {
  const feed = useMemo(() => new Feed(), []);
  const tab = useSignal("overview");
  useEffect(() => feed.connect(opened), [opened]);
  const isConnected = opened !== null;
  const current = TABS.find(({ name }) => name === tab.value);
  return (
    <div class="dashboard">
      <Tabs
        label={t("dashboard")}
        tabs={TABS.map(({ name, word }) => ({ name, label: t(word) }))}
        current={tab.value}
        onChange={(name) => (tab.value = name)}
      >
        {tab.value === "overview" ? (
          <Overview feed={feed} />
        ) : tab.value === "processes" ? (
          <Processes feed={feed} isConnected={isConnected} />
        ) : tab.value === "services" ? (
          <Services feed={feed} isConnected={isConnected} />
        ) : tab.value === "events" ? (
          <EventLog feed={feed} isConnected={isConnected} />
        ) : tab.value === "changes" ? (
          <Changes feed={feed} isConnected={isConnected} />
        ) : (
          <List key={tab.value} feed={feed} list={tab.value} label={t(current?.word ?? "dashboard")} isConnected={isConnected} />
        )}
      </Tabs>
    </div>
  );
}
