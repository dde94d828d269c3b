// Numbers and times for people. It touches no page.

const number = (value, digits) => value.toLocaleString("en", { maximumFractionDigits: digits, minimumFractionDigits: digits });

/** A rate or a count in at most four characters and a unit: 0, 0.3, 12, 1.2k. */
export function rate(value) {
  if (!value) return "0";
  if (value < 0.1) return "<0.1";
  if (value < 10) return number(value, 1);
  if (value < 1000) return number(value, 0);
  if (value < 10_000) return `${number(value / 1000, 1)}k`;
  if (value < 1_000_000) return `${number(value / 1000, 0)}k`;
  return `${number(value / 1_000_000, 1)}M`;
}

/** A number of things. */
export const count = (value) => (value < 1000 ? String(value) : rate(value));

export function bytes(value) {
  if (!value) return "0 B/s";
  const units = ["B/s", "kB/s", "MB/s", "GB/s"];
  let at = 0;
  while (value >= 1000 && at < units.length - 1) {
    value /= 1000;
    at += 1;
  }
  return `${number(value, value < 10 && at > 0 ? 1 : 0)} ${units[at]}`;
}

/** A latency in microseconds; nothing was measured: a dash. */
export function latency(us) {
  if (us === undefined || us === null) return "–";
  if (us < 1000) return `${us} µs`;
  if (us < 10_000) return `${number(us / 1000, 1)} ms`;
  if (us < 1_000_000) return `${number(us / 1000, 0)} ms`;
  return `${number(us / 1_000_000, 1)} s`;
}

/** How long something lasts, in its greatest unit. */
export function span(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

export const clock = (ms) => new Date(ms).toLocaleTimeString("en-GB");

export const date = (ms) => new Date(ms).toISOString();

export const plural = (count, one, more) => `${count} ${count === 1 ? one : more}`;

/** What a state is called on the page. */
export const STATES = {
  up: "up",
  unprobed: "no probes",
  "slow-start": "slow start",
  full: "full",
  waiting: "waiting",
  trial: "on trial",
  unweighted: "weight 0",
  draining: "draining",
  drained: "drained",
  maint: "maintenance",
  ejected: "ejected",
  down: "down",
};

export const SEVERITIES = { ok: "well", note: "note", warn: "warning", bad: "bad" };
