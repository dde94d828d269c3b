// The one dialog: questions before something is done, the token, and what a fault means.

import { byId, el } from "./patch.js";

let close = null;

/** Shows it, and gives the number of the button that was pressed; null: Escape, or Cancel. */
export function ask(title, body, buttons, { input, cancel = "Cancel" } = {}) {
  close?.(null);
  const dialog = byId("dialog");
  byId("dialog-title").textContent = title;
  byId("dialog-body").replaceChildren(...body);
  return new Promise((resolve) => {
    const end = (choice) => {
      if (close !== end) return;
      close = null;
      dialog.close();
      resolve(choice);
    };
    close = end;
    dialog.oncancel = (event) => {
      event.preventDefault();
      end(null);
    };
    const nodes = buttons.map((name, at) =>
      el("button", { type: "button", class: "main-button", on: { click: () => end(at) } }, name),
    );
    byId("dialog-buttons").replaceChildren(
      ...nodes,
      el("button", { type: "button", on: { click: () => end(null) } }, cancel),
    );
    if (input) {
      input.addEventListener("keydown", (event) => {
        if (event.key === "Enter") end(0);
      });
    }
    if (!dialog.open) dialog.showModal();
    input?.focus();
  });
}
