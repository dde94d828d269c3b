// The list of what happened, the newest on top.

import { byId, el, icon } from "./patch.js";
import { clock, date, SEVERITIES } from "./words.js";
import { get } from "./api.js";

/** So many stay on the page. */
const MOST = 200;

let last = 0;
const SHAPES = { info: "note", warn: "warn", error: "bad" };

/** The events of a picture; what is missing between is asked for. */
export function addEvents(picture) {
  const events = picture.events ?? [];
  const first = events[0]?.number ?? picture.last_event + 1;
  if (picture.last_event < last) last = 0; // Another process answers: it counts anew.
  if (first > last + 1 && last > 0) loadEvents();
  else add(events);
}

/** All that are kept. */
export async function loadEvents() {
  try {
    add((await get(`/api/v1/events?after=${last}`)).events);
  } catch {
    // The next picture comes with its own.
  }
}

function add(events) {
  const list = byId("events");
  const isOnTop = list.scrollTop < 4;
  for (const event of events.slice(-MOST)) {
    if (event.number <= last) continue;
    list.prepend(row(event));
    if (event.severity !== "info" && last > 0) byId("flips").textContent = `${event.text}, ${about(event)}`;
  }
  last = Math.max(last, events.at(-1)?.number ?? 0);
  while (list.childElementCount > MOST) list.lastElementChild.remove();
  if (isOnTop) list.scrollTop = 0;
}

const about = (event) =>
  Object.entries(event.fields)
    .map(([name, value]) => `${name} ${value}`)
    .join(", ");

function row(event) {
  const shape = SHAPES[event.severity] ?? "note";
  const fields = Object.entries(event.fields).map(([name, value]) =>
    el("span", { class: "field" }, el("span", { class: "quiet" }, `${name} `), value),
  );
  const node = el(
    "li",
    {},
    el("time", { datetime: date(event.at_ms) }, clock(event.at_ms)),
    icon(shape),
    el("span", { class: "hidden" }, `${SEVERITIES[shape]}: `),
    el("span", { class: "what" }, event.text, " ", ...fields.flatMap((field) => [field, " "])),
  );
  node.dataset.grave = String(event.severity !== "info");
  return node;
}

byId("events-grave").addEventListener("change", (event) => {
  byId("events").classList.toggle("only-grave", event.target.checked);
});
