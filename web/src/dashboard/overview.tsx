/** What the computer is, and what it does now and did in the last 24 hours. */
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { language, t, type PlainKey } from "../i18n/text";
import { clean } from "../text/clean";
import { formatBytes, formatMoment, formatSpan } from "../text/format";
import { Loading } from "../ui/faces";
import { Chart } from "./chart";
import type { Feed } from "./feed";
import type { ColumnName } from "./ring";
import { figure, isTrue, rowIn, rowsIn, words, wordsIn, type Row } from "./rows";

const RANGES: readonly { readonly seconds: number; readonly word: PlainKey }[] = [
  { seconds: 300, word: "range_minutes" },
  { seconds: 3600, word: "range_hour" },
  { seconds: 86_400, word: "range_day" },
];

export function Overview({ feed }: { feed: Feed }) {
  const range = useSignal(300);
  void feed.ticks.value; // drawn again with each measurement
  const load = feed.load.value;
  const now = Date.now() / 1000;
  const series = (...names: ColumnName[]) => feed.ring.series(names, range.value, now);
  const share = load === null || load.memoryTotal === 0 ? null : (load.memoryUsed / load.memoryTotal) * 100;
  const percent = (value: number): string => `${Math.round(value)} %`;
  const rate = (value: number): string => `${formatBytes(value, language.value)}/s`;
  return (
    <div class="overview">
      <Facts system={feed.system.value} />
      <section class="card stack" aria-label={t("load")}>
        <div class="pane-head">
          <h2>{t("load")}</h2>
          <div class="row" role="group" aria-label={t("range")}>
            {RANGES.map(({ seconds, word }) => (
              <button
                key={seconds}
                type="button"
                class="tool"
                aria-pressed={range.value === seconds}
                onClick={() => (range.value = seconds)}
              >
                {t(word)}
              </button>
            ))}
          </div>
        </div>
        <div class="charts">
          <Chart title={t("cpu")} lines={[t("cpu_used")]} series={series("cpu")} now={[load?.cpu ?? null]} top={100} format={percent} />
          <Chart title={t("memory")} lines={[t("memory_used")]} series={series("memory")} now={[share]} top={100} format={percent} />
          <Chart title={t("disk")} lines={[t("disk_read"), t("disk_written")]} series={series("disk_read", "disk_written")} now={[load?.diskRead ?? null, load?.diskWritten ?? null]} top={null} format={rate} />
          <Chart title={t("network")} lines={[t("network_received"), t("network_sent")]} series={series("received", "sent")} now={[load?.received ?? null, load?.sent ?? null]} top={null} format={rate} />
        </div>
        {load !== null && load.cores.length > 1 && (
          <div>
            <h3>{t("cores")}</h3>
            <ul class="cores">
              {load.cores.map((core, index) => (
                <li key={index}>
                  <meter min={0} max={100} value={core} aria-label={t("core", { number: index + 1 })} />
                  <span class="tabular hint">{percent(core)}</span>
                </li>
              ))}
            </ul>
          </div>
        )}
      </section>
      <section class="card stack" aria-label={t("top_processes")}>
        <h2>{t("top_processes")}</h2>
        {load === null ? <Loading /> : <Top rows={load.top} />}
      </section>
    </div>
  );
}

function Top({ rows }: { rows: readonly Row[] }) {
  return (
    <table class="data-table">
      <thead>
        <tr>
          <th scope="col">{t("column_name")}</th>
          <th scope="col">{t("column_cpu")}</th>
          <th scope="col">{t("column_memory")}</th>
        </tr>
      </thead>
      <tbody>
        {rows.map((row, index) => (
          <tr key={figure(row, "pid") ?? index}>
            <td>{words(row, "name")}</td>
            <td class="tabular number">{Math.round(figure(row, "cpu") ?? 0)} %</td>
            <td class="tabular number">{formatBytes(figure(row, "memory") ?? 0, language.value)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Facts({ system }: { system: Row | null }) {
  if (system === null) {
    return (
      <section class="card" aria-label={t("system_facts")}>
        <Loading />
      </section>
    );
  }
  const booted = figure(system, "booted_at");
  const now = figure(system, "now");
  const processor = rowIn(system, "processor");
  const battery = rowIn(system, "battery");
  const charge = figure(battery, "percent");
  const megahertz = figure(processor, "megahertz");
  const moment = (seconds: number): string => formatMoment(isoOf(seconds), language.value);
  const adapters = rowsIn(system, "adapters").filter((row) => isTrue(row, "is_up"));
  return (
    <section class="card stack" aria-label={t("system_facts")}>
      <h2>{words(system, "computer")}</h2>
      <dl class="facts">
        <Fact word="fact_os">{words(system, "os")}</Fact>
        <Fact word="fact_kernel">{[words(system, "kernel"), words(system, "machine")].filter(Boolean).join(" · ")}</Fact>
        <Fact word="fact_model">{words(system, "model")}</Fact>
        <Fact word="fact_processor">
          {[
            words(processor, "name"),
            t("processor_cores", { cores: figure(processor, "cores") ?? "–", threads: figure(processor, "threads") ?? "–" }),
            megahertz === null ? "" : `${megahertz} MHz`,
          ]
            .filter(Boolean)
            .join(" · ")}
        </Fact>
        <Fact word="memory">{formatBytes(figure(system, "memory") ?? 0, language.value)}</Fact>
        <Fact word="fact_booted">
          {booted === null ? "" : now === null ? moment(booted) : t("booted", { moment: moment(booted), span: formatSpan(Math.max(0, now - booted), language.value) })}
        </Fact>
        <Fact word="fact_clock">{now === null ? "" : `${moment(now)} (${words(system, "timezone", 40)})`}</Fact>
        <Fact word="fact_battery">
          {charge === null ? "" : `${Math.round(charge)} % · ${t(isTrue(battery, "is_charging") ? "battery_charging" : "battery_discharging")}`}
        </Fact>
        <Fact word="fact_displays">
          {rowsIn(system, "displays", 16)
            .map((row) => `${figure(row, "width") ?? 0} × ${figure(row, "height") ?? 0}`)
            .join(", ")}
        </Fact>
        <Fact word="fact_users">
          {[...new Set(rowsIn(system, "users").map((row) => words(row, "name", 80)))].join(", ")}
        </Fact>
        <Fact word="fact_network">
          {adapters.length === 0 ? "" : (
            <ul>
              {adapters.map((row, index) => (
                <li key={index}>
                  {words(row, "name", 60)}: {wordsIn(row, "addresses").join(", ")}
                </li>
              ))}
            </ul>
          )}
        </Fact>
      </dl>
      <Disks rows={rowsIn(system, "disks")} />
    </section>
  );
}

function Fact({ word, children }: { word: PlainKey; children: ComponentChildren }) {
  if (children === "" || children === null) return null;
  return (
    <div>
      <dt>{t(word)}</dt>
      <dd>{children}</dd>
    </div>
  );
}

const HEALTH: ReadonlyMap<string, PlainKey> = new Map([
  ["good", "disk_good"],
  ["worn", "disk_worn"],
  ["hot", "disk_hot"],
  ["degraded", "disk_degraded"],
  ["failing", "disk_failing"],
]);

function Disks({ rows }: { rows: readonly Row[] }) {
  if (rows.length === 0) return null;
  return (
    <div class="stack tight">
      <h3>{t("disks")}</h3>
      <ul class="disks">
        {rows.map((row, index) => {
          const total = figure(row, "total") ?? 0;
          const used = figure(row, "used") ?? 0;
          const health = HEALTH.get(words(row, "health", 20));
          const celsius = figure(row, "celsius");
          return (
            <li key={index}>
              <p>
                <strong>{words(row, "path")}</strong> <span class="soft">{clean(`${words(row, "device")} ${words(row, "file_system")}`)}</span>
                {health !== undefined && <span class={health === "disk_good" ? "hint" : "bad-text"}> {t(health)}</span>}
                {celsius !== null && <span class="hint"> {t("disk_celsius", { celsius: Math.round(celsius) })}</span>}
              </p>
              <meter min={0} max={Math.max(1, total)} high={total * 0.9} value={used} aria-label={words(row, "path")} />
              <p class="hint">{t("disk_space", { free: formatBytes(figure(row, "free") ?? 0, language.value), total: formatBytes(total, language.value) })}</p>
            </li>
          );
        })}
      </ul>
    </div>
  );
}

/** A moment of the host's clock; an absurd one is no moment. */
export function isoOf(seconds: number): string {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? "" : date.toISOString();
}
