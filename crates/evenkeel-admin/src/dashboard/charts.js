// Two charts of the last minutes, drawn as paths of SVG. The past comes with the first event of the feed.

import { attribute, byId, el, svg, text } from "./patch.js";
import { latency, rate } from "./words.js";

const KEPT = 300;
const SIZE = { width: 600, height: 150, left: 52, right: 8, top: 8, bottom: 20 };

const series = { at: [], of: new Map() };
const TOTAL = "";
const empty = () => ({ rate: [], errors: [], p50_us: [], p99_us: [] });

export function rememberHistory(history) {
  series.at = [...history.at_ms];
  series.of = new Map([[TOTAL, history.total], ...history.clusters.map((one) => [one.name, one])]);
}

export function rememberPicture(picture) {
  if (picture.at_ms <= (series.at.at(-1) ?? 0)) return;
  const before = series.at.length;
  const now = new Map([[TOTAL, picture.total], ...picture.clusters.map((one) => [one.name, one])]);
  push(series.at, picture.at_ms);
  for (const name of series.of.keys()) if (!now.has(name)) series.of.delete(name);
  for (const [name, traffic] of now) {
    let columns = series.of.get(name);
    if (!columns) {
      columns = empty();
      for (const column of Object.values(columns)) column.push(...new Array(Math.min(before, KEPT - 1)).fill(0));
      series.of.set(name, columns);
    }
    for (const name of Object.keys(empty())) push(columns[name], traffic[name] ?? 0);
  }
}

function push(column, value) {
  column.push(value);
  if (column.length > KEPT) column.shift();
}

/** A round number that is not below `value`. */
function ceiling(value) {
  if (!(value > 0)) return 1;
  const step = 10 ** Math.floor(Math.log10(value));
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((n) => n * step >= value) * step;
}

export function showCharts(picture) {
  options(picture);
  const columns = series.of.get(byId("chart-of").value) ?? empty();
  const end = series.at.at(-1) ?? 0;
  draw(byId("chart-rate"), {
    end,
    lines: [
      ["rate", columns.rate],
      ["errors", columns.errors],
    ],
    least: 1,
    say: rate,
    label: `Requests per second over the last minutes: now ${rate(columns.rate.at(-1))}, at most ${rate(Math.max(0, ...columns.rate))}; failed now ${rate(columns.errors.at(-1))}, at most ${rate(Math.max(0, ...columns.errors))}`,
  });
  draw(byId("chart-latency"), {
    end,
    lines: [
      ["p50", columns.p50_us.map((us) => us || null)],
      ["p99", columns.p99_us.map((us) => us || null)],
    ],
    least: 1000,
    say: latency,
    label: `Latency over the last minutes: p50 now ${latency(columns.p50_us.at(-1) || null)}, p99 now ${latency(columns.p99_us.at(-1) || null)}, at most ${latency(Math.max(0, ...columns.p99_us) || null)}`,
  });
}

/** The clusters that can be looked at alone. */
function options(picture) {
  const select = byId("chart-of");
  const names = picture.clusters.map((one) => one.name).sort();
  const key = names.join("\n");
  if (select.names === key) return;
  select.names = key;
  const chosen = select.value;
  select.replaceChildren(el("option", { value: "" }, "all clients"), ...names.map((name) => el("option", { value: name }, name)));
  select.value = names.includes(chosen) ? chosen : "";
}

function frame(chart) {
  chart.setAttribute("viewBox", `0 0 ${SIZE.width} ${SIZE.height}`);
  chart.setAttribute("preserveAspectRatio", "none");
  const parts = {};
  for (const name of ["top", "middle", "base"]) {
    parts[name] = chart.appendChild(svg("path", { class: "grid" }));
  }
  for (const name of ["rate-area", "errors-area", "rate", "errors", "p50", "p99"]) {
    parts[name] = chart.appendChild(svg("path", { class: `line line-${name}` }));
  }
  // Text does not stretch: it stands beside the drawing.
  const box = el("div", { class: "chart-box" });
  chart.replaceWith(box);
  const scale = el("div", { class: "scale", "aria-hidden": "true" }, el("span"), el("span"), el("span", {}, "0"));
  const times = el("div", { class: "times", "aria-hidden": "true" }, el("span", {}, "−5 min"), el("span", {}, "−2½ min"), el("span", {}, "now"));
  const peek = el("output", { class: "peek", "aria-hidden": "true" });
  box.append(scale, chart, times, peek);
  chart.addEventListener("pointermove", (event) => {
    const box = chart.getBoundingClientRect();
    chart.peeked = (event.clientX - box.left) / box.width;
    chart.peek?.();
  });
  chart.addEventListener("pointerleave", () => {
    chart.peeked = undefined;
    text(peek, "");
  });
  return (chart.parts = { ...parts, scale, peek });
}

function draw(chart, { end, lines, least, say, label }) {
  const parts = chart.parts ?? frame(chart);
  const most = ceiling(Math.max(least, ...lines.flatMap(([, column]) => column.map((value) => value ?? 0))));
  const [top, middle] = parts.scale.children;
  text(top, say(most));
  text(middle, say(most / 2));
  const { width, height } = SIZE;
  const y = (value) => height - 1 - (value / most) * (height - 3);
  const x = (at) => width - ((end - at) / (KEPT * 1000)) * width;
  for (const [name, value] of [["top", most], ["middle", most / 2], ["base", 0]]) {
    attribute(parts[name], "d", `M0 ${y(value).toFixed(1)}H${width}`);
  }
  for (const [name, column] of lines) {
    const points = column.map((value, n) => (value === null ? null : [x(series.at[n]), y(value)]));
    parts[name].setAttribute("d", path(points));
    parts[`${name}-area`]?.setAttribute("d", area(points, y(0)));
  }
  attribute(chart, "aria-label", label);
  chart.peek = () => {
    if (chart.peeked === undefined) return;
    const at = end - (1 - chart.peeked) * KEPT * 1000;
    let nearest = -1;
    series.at.forEach((moment, n) => {
      if (Math.abs(moment - at) < Math.abs((series.at[nearest] ?? Infinity) - at)) nearest = n;
    });
    if (nearest < 0 || Math.abs(series.at[nearest] - at) > 3000) return text(parts.peek, "");
    const values = lines.map(([name, column]) => `${name} ${say(column[nearest])}`);
    text(parts.peek, `${Math.round((series.at[nearest] - end) / 1000)} s: ${values.join(", ")}`);
  };
  chart.peek();
}

/** A line through the points, broken where there is none. */
function path(points) {
  let out = "";
  let pen = "M";
  for (const point of points) {
    if (point === null) pen = "M";
    else {
      out += `${pen}${point[0].toFixed(1)} ${point[1].toFixed(1)}`;
      pen = "L";
    }
  }
  return out;
}

function area(points, base) {
  if (points.length < 2) return "";
  return `${path(points)}L${points.at(-1)[0].toFixed(1)} ${base}L${points[0][0].toFixed(1)} ${base}Z`;
}
