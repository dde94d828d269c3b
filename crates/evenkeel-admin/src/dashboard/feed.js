// The live feed: server-sent events, read by fetch because EventSource cannot send a token. It comes back by itself.

import { request } from "./api.js";

/** Without a word for so long what is on the page is old. A picture comes every second. */
const PATIENCE = 4000;

/** The pauses between attempts. */
const PAUSES = [500, 1000, 2000, 5000];

/** Calls `on(name, value)` for each event, `told(state, text)` when the connection changes. */
export async function follow(on, told) {
  for (let failures = 0; ; failures += 1) {
    let why = "the connection ended";
    try {
      await once(on, () => {
        failures = 0;
        told("live", "live");
      });
    } catch (error) {
      why = error.message;
    }
    told("lost", why);
    const pause = PAUSES[Math.min(failures, PAUSES.length - 1)];
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

async function once(on, well) {
  const stop = new AbortController();
  let timer = null;
  const patience = () => {
    clearTimeout(timer);
    timer = setTimeout(() => stop.abort(new Error(`no word for ${PATIENCE / 1000} s`)), PATIENCE);
  };
  // Somebody may be typing a token: the time begins with the answer.
  const answer = await request("/api/v1/live", { headers: { accept: "text/event-stream" }, signal: stop.signal });
  if (!answer.ok) throw new Error(await reason(answer));
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      patience();
      const { done, value } = await reader.read();
      if (done) return;
      const events = (rest + value).split("\n\n");
      rest = events.pop();
      for (const event of events) {
        const [name, data] = parse(event);
        if (data) {
          well();
          on(name, JSON.parse(data));
        }
      }
    }
  } finally {
    clearTimeout(timer);
    stop.abort();
  }
}

async function reason(answer) {
  try {
    return (await answer.json()).error;
  } catch {
    return `evenkeel answered ${answer.status}`;
  }
}

/** The name and the data of an event. */
function parse(event) {
  let name = "message";
  const data = [];
  for (const line of event.split("\n")) {
    if (line.startsWith("event:")) name = line.slice(6).trim();
    else if (line.startsWith("data:")) data.push(line.slice(5).trim());
  }
  return [name, data.join("\n")];
}
