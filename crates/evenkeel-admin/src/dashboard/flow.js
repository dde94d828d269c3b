// Listeners, routes and the wires between; clusters have a file of their own.

import { attribute, byId, el, icon, keyed, setIcon, svg, text } from "./patch.js";
import { latency, plural, rate, SEVERITIES } from "./words.js";
import { anchor, showClusters } from "./clusters.js";
import { showFaults } from "./fault.js";

/** More wires than these are a felt. */
const MOST_WIRES = 60;

let wires = [];

/** A listener or a route fails when a twentieth of its requests do. */
function severity(traffic) {
  if (!traffic.errors) return "ok";
  return traffic.errors > traffic.rate / 20 ? "bad" : "warn";
}

export function showFlow(picture) {
  keyed(byId("listeners"), picture.listeners, (one) => one.name, () => makeStop("listener"), (node, one) =>
    updateStop(node, one, `${one.tls ? "https" : "http"} ${one.address}`, []),
  );
  keyed(byId("routes"), picture.routes, (one) => one.name, () => makeStop("route"), (node, one) =>
    updateStop(node, one, one.matches, one.to ?? []),
  );
  more("routes-more", picture.routes_left_out, picture.bounds.routes, "route", "routes");
  showClusters(picture);
  more("clusters-more", picture.clusters_left_out, picture.bounds.clusters, "cluster", "clusters");
  wire(picture);
}

function more(id, count, most, one, many) {
  const node = byId(id);
  node.hidden = !count;
  if (count) text(node, `${plural(count, `more ${one} is`, `more ${many} are`)} not shown: a picture has ${most} at most.`);
}

function makeStop(kind) {
  const node = el(
    "li",
    { class: `stop ${kind}` },
    el("div", { class: "stop-name" }, icon("ok"), el("span", { class: "hidden" }), el("b")),
    el("div", { class: "quiet matches" }),
    el("div", { class: "to" }),
    el("div", { class: "figures" }, el("span"), el("span", { class: "failing" }), el("span", { class: "quiet" })),
    el("div", { class: "faults" }),
  );
  return node;
}

function updateStop(node, one, matches, to) {
  const [name, about, links, figures, faults] = node.children;
  const grave = severity(one);
  attribute(node, "data-severity", grave);
  setIcon(name.children[0], grave);
  text(name.children[1], grave === "ok" ? "" : `${SEVERITIES[grave]}: `);
  text(name.children[2], one.name);
  text(about, matches);
  const weight = to.reduce((sum, share) => sum + share.weight, 0);
  const ways = to.map((share) => ({
    ...share,
    part: to.length > 1 && weight ? ` ${Math.round((share.weight / weight) * 100)} %` : "",
  }));
  const answers = one.answers ? [{ cluster: one.answers, part: "", isAnswer: true }] : [];
  keyed(links, [...ways, ...answers], (way) => way.cluster, makeWay, (node, way) => text(node, `→ ${way.cluster}${way.part}`));
  text(figures.children[0], `${rate(one.rate)}/s`);
  text(figures.children[1], one.errors ? `${rate(one.errors)}/s failed` : "");
  text(figures.children[2], one.p50_us === undefined ? "" : `p50 ${latency(one.p50_us)}, p99 ${latency(one.p99_us)}`);
  showFaults(faults, one.faults);
}

function makeWay(way) {
  return way.isAnswer ? el("span", { class: "quiet" }) : el("a", { href: `#${anchor(way.cluster)}` });
}

/** Who leads to whom. Where the ends are is found when the layout has settled, and again when it changes. */
function wire(picture) {
  const next = [];
  for (const route of picture.routes) {
    const severe = severity(route);
    const bound = route.listeners ?? picture.listeners.map((one) => one.name);
    for (const listener of bound) {
      next.push({ from: ["listeners", listener], to: ["routes", route.name], rate: route.rate / bound.length, severe });
    }
    for (const { cluster } of route.to ?? []) {
      next.push({ from: ["routes", route.name], to: ["clusters", cluster], rate: route.rate, severe });
    }
  }
  wires = next.length > MOST_WIRES ? [] : next;
  layWires();
}

function layWires() {
  const canvas = byId("wires");
  const box = byId("flow").getBoundingClientRect();
  const isWide = getComputedStyle(canvas).display !== "none";
  const laid = isWide ? wires.map((one) => lay(one, box)).filter(Boolean) : [];
  if (isWide) {
    attribute(canvas, "width", Math.round(box.width));
    attribute(canvas, "height", Math.round(box.height));
  }
  keyed(canvas, laid, (one) => one.key, () => svg("path", { class: "wire" }), (node, one) => {
    attribute(node, "d", one.d);
    attribute(node, "data-severity", one.severe);
    attribute(node, "stroke-width", (1 + Math.min(4, Math.log10(1 + one.rate))).toFixed(1));
    attribute(node, "data-idle", one.rate ? null : "true");
  });
}

function lay(one, box) {
  const [from, to] = [one.from, one.to].map(([list, name]) => byId(list).known?.get(name));
  if (!from || !to) return null;
  const [a, b] = [from.getBoundingClientRect(), to.getBoundingClientRect()];
  const [x1, y1] = [a.right - box.left, a.top - box.top + Math.min(a.height / 2, 28)];
  const [x2, y2] = [b.left - box.left, b.top - box.top + Math.min(b.height / 2, 28)];
  const bend = (x2 - x1) / 2;
  const d = [x1, y1, x1 + bend, y1, x2 - bend, y2, x2, y2].map((n) => n.toFixed(0));
  return { ...one, key: `${one.from.join()} ${one.to.join()}`, d: `M${d[0]} ${d[1]}C${d.slice(2).join(" ")}` };
}

new ResizeObserver(() => layWires()).observe(byId("flow"));
