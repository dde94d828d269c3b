// Clusters with their endpoints: the worst on top, and what an operator can order beside each.

import { attribute, byId, el, icon, keyed, setIcon, text } from "./patch.js";
import { latency, plural, rate, span, STATES } from "./words.js";
import { showFaults } from "./fault.js";
import { order, pendingOf, settle } from "./orders.js";

/** So many endpoints that are well are shown before somebody asks for all. */
const FEW = 8;

const anchors = new Map();

/** The id of a cluster's place on the page; names may hold anything. */
export function anchor(name) {
  if (!anchors.has(name)) anchors.set(name, `cluster-${anchors.size + 1}`);
  return anchors.get(name);
}

export function showClusters(picture) {
  keyed(byId("clusters"), picture.clusters, (one) => one.name, makeCluster, (node, one) =>
    updateCluster(node, one, picture.at_ms),
  );
}

function makeCluster(cluster) {
  const id = anchor(cluster.name);
  const parts = {
    icon: icon("ok"),
    word: el("span", { class: "word" }),
    figures: el("span", { class: "figures" }),
    faults: el("div", { class: "faults" }),
    rows: el("tbody", { role: "rowgroup" }),
    more: el("button", { type: "button", class: "plain more" }),
    left: el("p", { class: "quiet" }),
  };
  const heads = ["Endpoint", "State", "req/s", "failed/s", "in flight", "p50", "p99", "Orders", "Why"];
  const node = el(
    "article",
    { class: "cluster", id, tabindex: "-1", "aria-labelledby": `${id}-name` },
    el("header", {}, parts.icon, el("h4", { id: `${id}-name` }, cluster.name), parts.word, parts.figures),
    parts.faults,
    el(
      "table",
      { role: "table", "aria-labelledby": `${id}-name` },
      el(
        "thead",
        { role: "rowgroup" },
        el("tr", { role: "row" }, ...heads.map((head) => el("th", { scope: "col", role: "columnheader" }, head))),
      ),
      parts.rows,
    ),
    parts.more,
    parts.left,
  );
  node.parts = parts;
  parts.more.addEventListener("click", () => {
    node.isOpen = !node.isOpen;
    updateCluster(node, node.cluster, node.now);
  });
  return node;
}

function updateCluster(node, cluster, now) {
  const { parts } = node;
  node.cluster = cluster;
  node.now = now;
  attribute(node, "data-severity", cluster.severity);
  setIcon(parts.icon, cluster.severity);
  text(parts.word, words(cluster));
  text(parts.figures, figures(cluster));
  showFaults(parts.faults, cluster.faults);
  const isLong = cluster.endpoints.length > FEW + 3;
  const shown = cluster.endpoints.filter((one, n) => node.isOpen || !isLong || n < FEW || one.severity !== "ok");
  keyed(
    parts.rows,
    shown,
    (one) => one.id,
    (one) => makeEndpoint(cluster.name, one),
    (row, one) => updateEndpoint(row, one, cluster, now),
  );
  parts.more.hidden = !isLong;
  const hidden = cluster.endpoints.length - shown.length;
  text(parts.more, node.isOpen ? "Show fewer" : `Show ${plural(hidden, "more that is well", "more that are well")}`);
  attribute(parts.more, "aria-expanded", String(Boolean(node.isOpen)));
  parts.left.hidden = !cluster.endpoints_left_out;
  text(
    parts.left,
    `${cluster.endpoints_left_out ?? 0} of ${cluster.size} endpoints are left out of the picture: it has the worst of each cluster.`,
  );
}

function words(cluster) {
  const parts = [`${cluster.admitting} of ${cluster.size} take requests`];
  if (cluster.panicking) parts.push("panic: all are tried");
  for (const one of cluster.unresolved ?? []) parts.push(`${one.name} is not found (${one.reason})`);
  return parts.join(", ");
}

function figures(cluster) {
  const parts = [`${rate(cluster.rate)}/s`, `p50 ${latency(cluster.p50_us)}`, `p99 ${latency(cluster.p99_us)}`];
  parts.push(`${cluster.in_flight} in flight`);
  if (cluster.queue) parts.push(`${cluster.queue} waiting`);
  if (cluster.retries) parts.push(`${rate(cluster.retries)}/s retried`);
  if (cluster.retries_refused) parts.push(`${rate(cluster.retries_refused)}/s retries refused`);
  parts.push(cluster.balancer);
  return parts.join(" · ");
}

function cell(label, ...children) {
  return el("td", { role: "cell", "data-label": label }, ...children);
}

function makeEndpoint(cluster, endpoint) {
  const parts = {
    name: el("span", { class: "endpoint-name" }),
    address: el("span", { class: "quiet address" }),
    added: el("span", { class: "quiet address" }),
    icon: icon("ok"),
    state: el("b"),
    reason: el("span", { class: "reason" }),
    rate: cell("req/s"),
    errors: cell("failed/s"),
    faults: el("span", { class: "faults" }),
    inFlight: cell("in flight"),
    p50: cell("p50"),
    p99: cell("p99"),
    drain: el("button", { type: "button" }),
    maint: el("button", { type: "button" }),
  };
  const row = el(
    "tr",
    { role: "row" },
    el("th", { scope: "row", role: "rowheader" }, parts.name, parts.address, parts.added),
    el("td", { role: "cell", class: "state" }, el("span", { class: "state-word" }, parts.icon, parts.state)),
    parts.rate,
    parts.errors,
    parts.inFlight,
    parts.p50,
    parts.p99,
    el("td", { role: "cell", class: "orders" }, parts.drain, parts.maint),
    el("td", { role: "cell", class: "why" }, parts.reason, parts.faults),
  );
  row.parts = parts;
  for (const button of [parts.drain, parts.maint]) {
    button.addEventListener("click", () => {
      if (button.getAttribute("aria-disabled") === "true") return;
      order(row.cluster, row.endpoint, button.want);
      updateEndpoint(row, row.endpoint, row.cluster, row.now);
    });
  }
  return row;
}

function updateEndpoint(row, endpoint, cluster, now) {
  const { parts } = row;
  row.endpoint = endpoint;
  row.cluster = cluster;
  row.now = now;
  attribute(row, "data-severity", endpoint.severity);
  text(parts.name, endpoint.id);
  text(parts.address, endpoint.id === endpoint.address ? "" : endpoint.address);
  text(parts.added, endpoint.added ? "added by an operator" : "");
  setIcon(parts.icon, endpoint.severity);
  text(parts.state, STATES[endpoint.state] ?? endpoint.state);
  text(parts.reason, reason(endpoint, now));
  text(parts.rate, rate(endpoint.rate));
  text(parts.errors, endpoint.errors ? rate(endpoint.errors) : "0");
  parts.errors.classList.toggle("failing", Boolean(endpoint.errors));
  showFaults(parts.faults, endpoint.faults);
  text(parts.inFlight, endpoint.limit ? `${endpoint.in_flight} of ${endpoint.limit}` : String(endpoint.in_flight));
  text(parts.p50, latency(endpoint.p50_us));
  text(parts.p99, latency(endpoint.p99_us));
  settle(cluster.name, endpoint);
  orders(parts, cluster, endpoint);
}

function reason(endpoint, now) {
  const parts = [];
  if (endpoint.severity !== "ok" && endpoint.reason) parts.push(endpoint.reason);
  if (endpoint.since_ms) parts.push(`for ${span(now - endpoint.since_ms)}`);
  if (endpoint.until_ms) parts.push(`tried again in ${span(endpoint.until_ms - now)} at the latest`);
  return parts.join(" · ");
}

/** What can be ordered now. An order that nobody has confirmed yet is said to be under way, not to be done. */
function orders(parts, cluster, endpoint) {
  const pending = pendingOf(cluster.name, endpoint.id);
  const of = `${endpoint.id} of ${cluster.name}`;
  const isReady = endpoint.admin === "ready";
  button(parts.drain, isReady ? "drain" : "ready", isReady ? "Drain" : "Readmit", of, pending);
  button(parts.maint, "maint", "Maint", of, pending);
  parts.maint.hidden = endpoint.admin === "maint";
}

const UNDER_WAY = { Drain: "Draining…", Readmit: "Readmitting…", Maint: "Taking out…" };

function button(node, want, name, of, pending) {
  node.want = want;
  const isPending = pending === want;
  text(node, isPending ? UNDER_WAY[name] : name);
  attribute(node, "aria-label", isPending ? `${UNDER_WAY[name]} ${of}` : `${name} ${of}`);
  attribute(node, "aria-disabled", pending ? "true" : null);
}
