// Where the page begins: pictures come in, each part shows its own, and the connection's state is told.

import { byId, el, icon, keyed, setIcon, text } from "./patch.js";
import { clock, latency, plural, rate, bytes, count, span, SEVERITIES } from "./words.js";
import { follow } from "./feed.js";
import { showCharts, rememberHistory, rememberPicture } from "./charts.js";
import { showFlow } from "./flow.js";
import { addEvents, loadEvents } from "./events.js";
import { explainFault } from "./fault.js";
import "./explain.js";

let picture = null;
let isLive = false;
let isDue = false;

/** At most once a frame, and never while nobody sees it. */
function due() {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => {
    isDue = false;
    if (picture) show(picture);
  });
}

function show(picture) {
  showHeadline(picture);
  showProcess(picture);
  showNumbers(picture);
  showCharts(picture);
  showFlow(picture);
}

function showHeadline({ headline, problems = [], at_ms }) {
  const section = byId("headline");
  section.dataset.severity = headline.severity;
  byId("headline-icon").setAttribute("href", `#i-${headline.severity}`);
  text(byId("headline-text"), headline.text);
  keyed(byId("headline-why"), headline.fault ? [headline.fault] : [], (fault) => fault, faultButton, () => {});
  text(byId("headline-since"), headline.since_ms ? `for ${span(at_ms - headline.since_ms)}` : "");
  const grave = headline.severity === "warn" || headline.severity === "bad";
  const mark = { bad: "✖ ", warn: "▲ " }[headline.severity] ?? "";
  document.title = `${mark}${grave ? headline.text : "evenkeel"}`;
  // The first one is the headline already, unless it is a note under "All well".
  const rest = grave ? problems.slice(1) : problems;
  keyed(byId("problems"), rest, (one) => one.text, makeProblem, (node, one) => updateProblem(node, one, at_ms));
}

function makeProblem(one) {
  const word = el("span", { class: "hidden" });
  const node = el("li", {}, icon(one.severity), word, el("span", { class: "what" }), el("span", { class: "quiet since" }));
  if (one.fault) node.append(faultButton(one.fault));
  return node;
}

function faultButton(name) {
  return el("button", { type: "button", class: "plain", on: { click: () => explainFault(name) } }, `why ${name}?`);
}

function updateProblem(node, one, now) {
  const [shape, word, what, since] = node.children;
  setIcon(shape, one.severity);
  text(word, `${SEVERITIES[one.severity]}: `);
  text(what, one.text);
  text(since, one.since_ms ? `for ${span(now - one.since_ms)}` : "");
}

function showProcess({ process }) {
  const parts = [
    `evenkeel ${process.version}`,
    process.stage,
    `up ${span(process.uptime_ms)}`,
    `generation ${process.generation}`,
    plural(process.workers, "worker", "workers"),
  ];
  if (process.level !== "normal") parts.push(`load ${process.level}`);
  text(byId("process"), parts.join(" · "));
  byId("process").title = `process ${process.pid}, ${process.file ?? "from the command line"}`;
}

function showNumbers(picture) {
  const chosen = byId("chart-of").value;
  const of = picture.clusters.find((one) => one.name === chosen);
  const traffic = of ?? picture.total;
  const numbers = [
    ["requests/s", rate(traffic.rate)],
    ["failed/s", rate(traffic.errors)],
    ["p50", latency(traffic.p50_us)],
    ["p99", latency(traffic.p99_us)],
    ["in flight", count((of ?? picture.process).in_flight)],
    ["connections", count((of ?? picture.process).connections)],
    ["in", bytes(traffic.bytes_in)],
    ["out", bytes(traffic.bytes_out)],
  ];
  keyed(
    byId("numbers"),
    numbers,
    ([name]) => name,
    ([name]) => el("div", {}, el("dt", {}, name), el("dd")),
    (node, [name, value]) => {
      text(node.lastElementChild, value);
      node.classList.toggle("grave", name === "failed/s" && value !== "0");
    },
  );
}

function on(name, value) {
  if (name === "history") {
    rememberHistory(value);
    loadEvents();
  } else if (name === "picture") {
    picture = value;
    rememberPicture(value);
    addEvents(value);
    due();
  }
}

function told(state, why) {
  if (isLive === (state === "live")) {
    if (!isLive) tellStale(why);
    return;
  }
  isLive = state === "live";
  const link = byId("link");
  link.dataset.state = state;
  text(byId("link-text"), isLive ? "live" : "no connection");
  tellStale(why);
}

/** What is old looks old, and says so. */
function tellStale(why) {
  const bar = byId("stale");
  document.body.classList.toggle("is-stale", !isLive);
  bar.hidden = isLive;
  if (isLive) return text(bar, "");
  const when = picture ? `What you see is of ${clock(picture.at_ms)}, and old.` : "There is nothing to see yet.";
  text(bar, `No connection to evenkeel (${why}). ${when} It is tried again by itself.`);
}

byId("chart-of").addEventListener("change", due);
document.addEventListener("visibilitychange", due);
told("wait", "connecting");
byId("stale").hidden = true;
isLive = false;
follow(on, told);
