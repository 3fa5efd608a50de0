/** One chart of the load: uPlot on a canvas, with its last values as text beside it. */
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { language } from "../i18n/text";
import type { Series } from "./ring";

interface ChartProps {
  title: string;
  /** Names of the lines, in the order of the series' values. */
  lines: readonly string[];
  series: Series;
  /** What each line is now; null while that is not known. */
  now: readonly (number | null)[];
  /** The scale's upper end; null: as the values want it. */
  top: number | null;
  format: (value: number) => string;
}

const HEIGHT = 168;
const COLOURS = ["--accent", "--warning"] as const;

export function Chart({ title, lines, series, now, top, format }: ChartProps) {
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | null>(null);
  const latest = useRef(series);
  latest.current = series;
  useEffect(() => {
    const element = place.current;
    if (element === null) return undefined;
    const make = (): void => {
      chart.current?.destroy();
      chart.current = new uPlot(optionsOf(element, lines, top, format), dataOf(latest.current), element);
    };
    make();
    const observer = new ResizeObserver(() => chart.current?.setSize({ width: element.clientWidth, height: HEIGHT }));
    observer.observe(element);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", make);
    return () => {
      observer.disconnect();
      dark.removeEventListener("change", make);
      chart.current?.destroy();
      chart.current = null;
    };
  }, [language.value, lines.join("|")]);
  useEffect(() => chart.current?.setData(dataOf(series)), [series]);
  return (
    <section class="chart" aria-label={title}>
      <h3>{title}</h3>
      <ul class="chart-now">
        {lines.map((line, index) => (
          <li key={line} class={index === 0 ? "first-line" : "second-line"}>
            {line} <strong class="tabular">{now[index] == null ? "–" : format(now[index])}</strong>
          </li>
        ))}
      </ul>
      <div class="chart-place" ref={place} />
    </section>
  );
}

function dataOf({ times, values }: Series): uPlot.AlignedData {
  return [times, ...values] as uPlot.AlignedData;
}

function optionsOf(
  element: HTMLElement,
  lines: readonly string[],
  top: number | null,
  format: (value: number) => string,
): uPlot.Options {
  const style = getComputedStyle(element);
  const colour = (name: string): string => style.getPropertyValue(name).trim();
  const axis = {
    stroke: colour("--soft"),
    grid: { stroke: colour("--line"), width: 1 },
    ticks: { show: false },
    font: `12px ${style.fontFamily}`,
  };
  const times = new Intl.DateTimeFormat(language.value, { hour: "2-digit", minute: "2-digit" });
  return {
    width: element.clientWidth,
    height: HEIGHT,
    legend: { show: false },
    cursor: { show: false },
    padding: [8, 28, 0, 0],
    scales: { y: { range: (_, __, max) => [0, top ?? Math.max(1, max * 1.1)] } },
    axes: [
      { ...axis, values: (_, splits) => splits.map((at) => times.format(at * 1000)) },
      { ...axis, size: 72, values: (_, splits) => splits.map(format) },
    ],
    series: [
      {},
      ...lines.map((label, index) => ({
        label,
        stroke: colour(COLOURS[index] ?? "--accent"),
        width: 1.5,
        points: { show: false },
        spanGaps: false,
      })),
    ],
  };
}
