// Faults by name, and what each means: the page that `evenkeel why` prints.

import { el, keyed, text } from "./patch.js";
import { rate } from "./words.js";
import { ask } from "./dialog.js";
import { get } from "./api.js";

const SIDES = { client: "The client’s side", evenkeel: "evenkeel itself, or its configuration", endpoint: "The endpoint’s side" };

/** What stands between backticks is code. */
const marked = (sentence) => sentence.split("`").map((part, n) => (n % 2 ? el("code", {}, part) : part));

const list = (title, sentences) =>
  sentences?.length
    ? [el("h3", {}, title), el("ul", {}, ...sentences.map((sentence) => el("li", {}, ...marked(sentence))))]
    : [];

export async function explainFault(name) {
  let body;
  try {
    const page = await get(`/api/v1/faults/${encodeURIComponent(name)}`);
    body = [
      el("p", {}, page.about),
      el("p", { class: "quiet" }, `${SIDES[page.side] ?? page.side} · status ${page.status}`),
      ...list("Usually because", page.causes),
      ...list("Look at", page.look),
    ];
  } catch (error) {
    body = [el("p", {}, error.message)];
  }
  ask(name, body, [], { cancel: "Close" });
}

/** Faults by name, the most frequent first; a press says what they mean. */
export function showFaults(node, faults = {}) {
  const all = Object.entries(faults).sort((one, other) => other[1] - one[1] || one[0].localeCompare(other[0]));
  keyed(
    node,
    all.slice(0, 4),
    ([name]) => name,
    ([name]) => el("button", { type: "button", class: "plain", title: "What does this mean?", on: { click: () => explainFault(name) } }),
    (button, [name, count]) => text(button, `${name} ${rate(count)}/s`),
  );
}
