// Asking evenkeel: one place that knows the token, and what is said when there is none.

import { el } from "./patch.js";
import { ask } from "./dialog.js";

const KEY = "evenkeel-token";
let asking = null;

const token = () => sessionStorage.getItem(KEY);

function headers(more) {
  const all = { "x-evenkeel": "1", ...more };
  if (token()) all.authorization = `Bearer ${token()}`;
  return all;
}

/** Asks for the token, once for all who need it. */
function askToken(wrong) {
  asking ??= (async () => {
    const input = el("input", { type: "password", autocomplete: "current-password", size: "40", "aria-label": "Token" });
    const text = wrong
      ? "The token was not accepted. It is the line in the file that [admin] token_file names."
      : "This address wants a token. It is the line in the file that [admin] token_file names.";
    const done = await ask("Token", [el("p", {}, text), el("label", {}, "Token ", input)], ["Use it"], { input });
    if (done !== null && input.value.trim()) sessionStorage.setItem(KEY, input.value.trim());
    asking = null;
  })();
  return asking;
}

/** A request of the API, with the browser's certificate where the address asks for one; asks for the token until it is right or nobody gives one. */
export async function request(path, options = {}) {
  for (;;) {
    const sent = token();
    const answer = await fetch(path, { cache: "no-store", credentials: "same-origin", ...options, headers: headers(options.headers) });
    if (answer.status !== 401) return answer;
    // Another request may have asked meanwhile.
    if (token() === sent) await askToken(sent !== null);
    if (token() === sent) return answer;
  }
}

/** GET that gives JSON, or throws what is wrong in words. */
export async function get(path) {
  return read(await request(path));
}

export async function post(path, body) {
  return read(
    await request(path, { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
  );
}

async function read(answer) {
  let body = null;
  try {
    body = await answer.json();
  } catch {
    // No JSON: the status says it.
  }
  if (!answer.ok) {
    const error = new Error(body?.error ?? `evenkeel answered ${answer.status}`);
    error.status = answer.status;
    throw error;
  }
  return body;
}
