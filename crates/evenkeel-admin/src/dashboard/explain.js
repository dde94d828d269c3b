// What evenkeel would do with a request, and why.

import { byId, el, icon } from "./patch.js";
import { post } from "./api.js";
import { explainFault } from "./fault.js";

/** So many lines of a list are shown; all of them stand below "As data". */
const FEW = 16;

/** Deeper than that, or more of one list, nobody reads. */
const DEEPEST = 8;
const MOST = 200;

function question() {
  const value = (id) => byId(id).value.trim();
  const headers = value("explain-headers")
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);
  const asked = { method: value("explain-method") || "GET", url: value("explain-url"), headers };
  if (value("explain-from")) asked.from = value("explain-from");
  return asked;
}

async function explain(event) {
  event.preventDefault();
  const out = byId("explained");
  out.replaceChildren(el("p", { class: "quiet" }, "asking…"));
  try {
    out.replaceChildren(...show(await post("/api/v1/explain", question())));
  } catch (error) {
    out.replaceChildren(el("p", { class: "failing" }, error.message));
  }
}

const SHAPES = { refused: "bad", answered: "note", redirected: "note", forwarded: "ok" };

function show(answer) {
  const { verdict } = answer;
  const first = el("p", { class: "verdict" }, icon(SHAPES[verdict?.kind] ?? "note"), " ", el("b", {}, verdict?.text ?? "Explained"));
  const fault = verdict?.fault?.name;
  if (fault) {
    const ask = { click: () => explainFault(fault) };
    first.append(" ", el("button", { type: "button", class: "plain", on: ask }, `why ${fault}?`));
  }
  const parts = [
    part("Supposed", answer.supposed, (one) => [one]),
    part("Listener", [answer.listener], (one) => [el("b", {}, one.name), ` ${one.address}: ${one.why}`]),
    part("Client", [answer.client], (one) => [el("b", {}, one.address ?? "a Unix socket"), `: ${one.why}`]),
    part("Route", [answer.route], route),
    part("Routes that do not take it", answer.others, route),
    part("On the way", answer.steps, (one) => [mark(one.passes), el("b", {}, one.what), `: ${one.why}`]),
    part("Split", answer.split, (one) => [mark(one.open), el("b", {}, one.cluster), ` ${percent(one.chance)} ${one.why}`]),
    part("Cluster", [answer.cluster], (one) => [el("b", {}, one.name), ` (${one.balancer}): ${one.why}`]),
    part("Endpoints", answer.cluster?.endpoints, (one) => [
      mark(one.candidate),
      el("b", {}, one.id),
      one.candidate ? ` ${percent(one.chance)}` : "",
      one.why ? `: ${one.why}` : "",
    ]),
    part("Sent to the endpoint", answer.request ? [{ name: answer.request.sent }, ...answer.request.fields] : [], field),
    part("Changed in the response", answer.response, field),
    part("In force", answer.terms, (one) => [el("b", {}, one.name), ` ${one.value} `, el("span", { class: "quiet" }, one.about ?? "")]),
  ];
  return [first, ...parts.filter(Boolean), el("details", {}, el("summary", {}, "As data"), branch(answer, 0))];
}

function part(title, list, say) {
  const all = (list ?? []).filter(Boolean);
  if (!all.length) return null;
  const lines = all.slice(0, FEW).map((one) => el("li", {}, ...say(one)));
  if (all.length > FEW) lines.push(el("li", { class: "quiet" }, `and ${all.length - FEW} more`));
  return el("div", {}, el("h3", {}, title), el("ul", {}, ...lines));
}

const percent = (chance) => `${Math.round((chance ?? 0) * 1000) / 10} %`;

/** Yes or no, for those who see and those who hear. */
const mark = (holds) =>
  el("span", {}, icon(holds ? "ok" : "bad"), el("span", { class: "hidden" }, holds ? "yes: " : "no: "), " ");

function route(one) {
  const asked = one.conditions ?? [];
  // One that fails by its only condition has said so already.
  const told = asked.length > 1 || one.place === "taken" ? asked : [];
  const conditions = told.map(({ holds, of, asks, has }) =>
    el("li", {}, mark(holds), `${of} ${asks}`, holds ? "" : `, and it is ${has}`),
  );
  return [el("b", {}, one.name), `: ${one.why}`, el("ul", { class: "tree" }, ...conditions)];
}

function field(one) {
  const why = el("span", { class: "quiet" }, one.why ? ` ${one.why}` : "");
  if (one.came === undefined) return [el("code", {}, one.name), why];
  if (one.sent === null) return [el("code", {}, one.name), " is dropped", why];
  const was = one.came === null || one.came === one.sent ? "" : ` (was ${one.came})`;
  return [el("code", {}, `${one.name}: ${one.sent}`), was, why];
}

function branch(value, depth) {
  const entries = Object.entries(value).slice(0, MOST);
  return el("ul", { class: "tree" }, ...entries.map(([name, value]) => el("li", {}, ...leaf(name, value, depth))));
}

function leaf(name, value, depth) {
  const label = el("span", { class: "quiet" }, `${name} `);
  if (value === null || typeof value !== "object") return [label, String(value)];
  if (depth >= DEEPEST) return [label, "…"];
  return [el("details", {}, el("summary", {}, label), branch(value, depth + 1))];
}

byId("explain").addEventListener("submit", explain);
