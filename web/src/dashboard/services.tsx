/** Services of the system: looked at, started, stopped. */
import { useSignal } from "@preact/signals";
import { Play, RotateCw, Square } from "lucide-preact";
import { t, textIfAny, type PlainKey } from "../i18n/text";
import { Asking } from "../ui/asking";
import { Notice } from "../ui/faces";
import { Icon, type IconType } from "../ui/icon";
import { DataTable, type Column } from "./dataTable";
import { sentenceOfRefusal, type Feed } from "./feed";
import { LiveList } from "./lists";
import { words, type Row } from "./rows";
import { useRows } from "./useRows";

const EVERY = 5000;

const COLUMNS: readonly Column<Row>[] = [
  { word: "column_name", value: (row) => words(row, "name") },
  {
    word: "column_state",
    value: (row) => `${textIfAny(`service_${words(row, "state", 20)}`) ?? words(row, "state")} (${words(row, "detail", 40)})`,
  },
  { word: "column_start", value: (row) => words(row, "start") },
  { word: "column_description", value: (row) => words(row, "description") },
];

const ACTIONS: readonly { readonly action: string; readonly word: PlainKey; readonly icon: IconType; readonly asks: boolean }[] = [
  { action: "start", word: "service_start", icon: Play, asks: false },
  { action: "stop", word: "service_stop", icon: Square, asks: true },
  { action: "restart", word: "service_restart", icon: RotateCw, asks: true },
];

export function Services({ feed, isConnected }: { feed: Feed; isConnected: boolean }) {
  const live = useRows(feed, "services", isConnected, EVERY);
  const asked = useSignal<{ readonly name: string; readonly action: (typeof ACTIONS)[number] } | null>(null);
  const problem = useSignal<string | null>(null);
  const act = async (name: string, action: string): Promise<void> => {
    problem.value = null;
    try {
      await feed.ask((requests) => requests.ask("service", { name, action }));
    } catch (error) {
      problem.value = `${name}: ${t(sentenceOfRefusal(error))}`;
    }
    await live.load();
  };
  return (
    <>
      {problem.value !== null && (
        <Notice kind="bad" live>
          {problem.value}
        </Notice>
      )}
      <LiveList live={live}>
        {(rows) => (
          <DataTable
            label={t("tab_services")}
            name="services"
            columns={COLUMNS}
            items={rows}
            keyOf={(row, index) => words(row, "name") || index}
            actions={(row) =>
              ACTIONS.map((action) => (
                <button
                  key={action.action}
                  type="button"
                  class="tool"
                  disabled={!isConnected}
                  title={t(action.word)}
                  aria-label={`${t(action.word)}: ${words(row, "name")}`}
                  onClick={() => {
                    if (action.asks) asked.value = { name: words(row, "name"), action };
                    else void act(words(row, "name"), action.action);
                  }}
                >
                  <Icon as={action.icon} size={18} />
                </button>
              ))
            }
          />
        )}
      </LiveList>
      {asked.value !== null && (
        <Asking
          title={`${t(asked.value.action.word)}: ${asked.value.name}`}
          confirm={t(asked.value.action.word)}
          isDangerous
          onConfirm={() => act(asked.value?.name ?? "", asked.value?.action.action ?? "")}
          onClose={() => (asked.value = null)}
        >
          <p>{t("service_hint")}</p>
        </Asking>
      )}
    </>
  );
}
