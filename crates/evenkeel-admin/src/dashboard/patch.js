// The page follows the picture: nodes are kept by key and only what differs is touched. What comes from outside becomes text,
// never markup.

const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes and children; a string becomes text. */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") for (const [event, act] of Object.entries(value)) node.addEventListener(event, act);
    else if (value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}

export function svg(tag, attributes = {}) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

/** The shape of a severity; its word stands beside it, or is said by `label`. */
export function icon(severity) {
  const node = svg("svg", { class: "icon", "aria-hidden": "true" });
  node.append(svg("use", { href: `#i-${severity}` }));
  node.dataset.severity = severity;
  return node;
}

export function setIcon(node, severity) {
  if (node.dataset.severity === severity) return;
  node.dataset.severity = severity;
  node.firstElementChild.setAttribute("href", `#i-${severity}`);
}

export function text(node, value) {
  if (node.textContent !== value) node.textContent = value;
}

export function attribute(node, name, value) {
  if (value === undefined || value === null || value === false) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

export const byId = (id) => document.getElementById(id);

/** Brings the children of `parent` in line with `items`: those of a known key stay the same nodes, and keep the focus. */
export function keyed(parent, items, keyOf, make, update) {
  const known = (parent.known ??= new Map());
  const focused = parent.contains(document.activeElement) ? document.activeElement : null;
  const left = new Map(known);
  let at = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    let node = left.get(key);
    if (node) left.delete(key);
    else if (known.has(key)) continue; // The same key twice: the first one has it.
    else {
      node = make(item);
      known.set(key, node);
    }
    update(node, item);
    if (node === at) at = at.nextElementSibling;
    else parent.insertBefore(node, at);
  }
  for (const [key, node] of left) {
    node.remove();
    known.delete(key);
  }
  if (focused && focused.isConnected && document.activeElement !== focused) focused.focus({ preventScroll: true });
}
