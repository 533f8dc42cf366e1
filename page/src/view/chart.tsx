// A small chart over time.

import { useEffect, useRef } from "preact/hooks";
import UPlot from "uplot";

export interface Line {
  name: string;
  values: (number | null)[];
}

interface Props {
  label: string;
  times: number[];
  lines: Line[];
  format: (value: number) => string;
}

const HEIGHT = 64;

export function Chart({ label, times, lines, format }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<UPlot | null>(null);
  const last = lines.map((line) => `${line.name} ${shown(line.values[line.values.length - 1], format)}`).join(", ");
  useEffect(() => {
    const into = place.current;
    if (!into) return;
    const made = new UPlot(options(into.clientWidth, lines), data(times, lines), into);
    plot.current = made;
    const watch = new ResizeObserver(() => made.setSize({ width: into.clientWidth, height: HEIGHT }));
    watch.observe(into);
    return () => {
      watch.disconnect();
      made.destroy();
    };
  }, [lines.length]);
  useEffect(() => plot.current?.setData(data(times, lines)), [times.length, times[times.length - 1]]);
  return (
    <figure class="chart">
      <figcaption>
        {label} <span>{last}</span>
      </figcaption>
      <div ref={place} role="img" aria-label={`${label}: ${last}`} />
    </figure>
  );
}

function shown(value: number | null | undefined, format: (value: number) => string): string {
  return value === null || value === undefined ? "–" : format(value);
}

function data(times: number[], lines: Line[]): UPlot.AlignedData {
  return [[...times], ...lines.map((line) => [...line.values])];
}

function options(width: number, lines: Line[]): UPlot.Options {
  const colour = (index: number) => getComputedStyle(document.documentElement).getPropertyValue(`--line-${index + 1}`).trim() || "#20639b";
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    cursor: { show: false },
    axes: [{ show: false }, { show: false }],
    scales: { y: { range: (_plot, _least, most) => [0, Math.max(most ?? 0, 1e-9)] } },
    series: [
      {},
      // The second line is broken, so that it differs from the first without its colour.
      ...lines.map((line, index) => ({
        label: line.name,
        stroke: () => colour(index),
        width: 1.5,
        dash: index ? [4, 3] : [],
        // A line needs two points.
        points: { show: (plot: UPlot) => plot.data[0].length < 3 },
      })),
    ],
  };
}
