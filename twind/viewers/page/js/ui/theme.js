/** Dark or light: what the system prefers, until somebody chooses. */

import { at } from "./elements.js";

const KEY = "twind.theme";
const LOOKS = {
  dark: { grid: "#93a4ba", gridStrength: 0.34, shadow: 0.5, accent: "#ff8a4c" },
  light: { grid: "#51627a", gridStrength: 0.4, shadow: 0.2, accent: "#c8420b" },
};

/** @param {(look: typeof LOOKS.dark) => void} apply */
export function startTheme(apply) {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const button = at("theme");
  const chosen = () => localStorage.getItem(KEY);
  const now = () => /** @type {"dark" | "light"} */ (chosen() ?? (system.matches ? "dark" : "light"));
  const show = () => {
    document.documentElement.dataset.theme = now();
    button.setAttribute("aria-label", now() === "dark" ? "Switch to light" : "Switch to dark");
    apply(LOOKS[now()]);
  };
  button.addEventListener("click", () => {
    const other = now() === "dark" ? "light" : "dark";
    if ((system.matches ? "dark" : "light") === other) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, other);
    show();
  });
  system.addEventListener("change", show);
  show();
}
