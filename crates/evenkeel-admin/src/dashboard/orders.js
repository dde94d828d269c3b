// Orders for endpoints. Nothing is shown as done before a picture shows it done.

import { byId, el, text } from "./patch.js";
import { post } from "./api.js";
import { ask } from "./dialog.js";

/** Without a picture that shows it for so long, something is wrong. */
const PATIENCE = 6000;

const SAID = { drain: "drained", maint: "in maintenance", ready: "readmitted" };

/** What is under way, by cluster and endpoint. */
const pending = new Map();
const key = (cluster, id) => JSON.stringify([cluster, id]);

export const pendingOf = (cluster, id) => pending.get(key(cluster, id))?.want;

/** A picture came: what was ordered may be true by now. */
export function settle(cluster, endpoint) {
  const one = pending.get(key(cluster, endpoint.id));
  if (!one) return;
  if (endpoint.admin === one.want) {
    pending.delete(key(cluster, endpoint.id));
    say(`${endpoint.id} of ${cluster} is ${SAID[one.want]}`);
  } else if (performance.now() - one.since > PATIENCE) {
    pending.delete(key(cluster, endpoint.id));
    say(`${endpoint.id} of ${cluster} is not ${SAID[one.want]}: no picture shows it`, true);
  }
}

export async function order(cluster, endpoint, want) {
  if (want !== "ready" && isLast(cluster, endpoint)) {
    const question = `${endpoint.id} is the last endpoint of ${cluster.name} that takes requests. Without it they are answered with 503.`;
    const verb = want === "drain" ? "Drain it all the same" : "Take it out all the same";
    if ((await ask("The last one", [el("p", {}, question)], [verb])) === null) return;
  }
  pending.set(key(cluster.name, endpoint.id), { want, since: performance.now() });
  const path = `/api/v1/clusters/${encodeURIComponent(cluster.name)}/endpoints/${encodeURIComponent(endpoint.id)}`;
  // What the file says needs no order above it.
  const asConfigured = want === (endpoint.configured_admin ?? "ready") && endpoint.ordered_weight === undefined;
  try {
    await post(path, { admin: asConfigured ? "as-configured" : want });
  } catch (error) {
    pending.delete(key(cluster.name, endpoint.id));
    say(`${endpoint.id} of ${cluster.name} stays as it is: ${error.message}`, true);
  }
}

function isLast(cluster, endpoint) {
  return endpoint.admin === "ready" && endpoint.weight > 0 && endpoint.share > 0 && cluster.admitting === 1;
}

let timer = null;

/** Says it, for those who see and those who hear. */
function say(words, isWrong = false) {
  const node = byId("said");
  text(node, words);
  node.classList.toggle("grave", isWrong);
  node.classList.add("is-shown");
  clearTimeout(timer);
  timer = setTimeout(() => node.classList.remove("is-shown"), isWrong ? 12_000 : 5000);
}
