// Whatever scrolls must be reachable by keyboard: give it a tab stop when it overflows.
"use strict";

const SCROLLABLE = "pre, .bd-article table, .output, div.math, mjx-container[display], .pst-scrollable-table-container";

function markScrollable() {
  for (const box of document.querySelectorAll(SCROLLABLE)) {
    const overflows = box.scrollWidth > box.clientWidth + 1 || box.scrollHeight > box.clientHeight + 1;
    if (overflows) box.tabIndex = 0;
    else if (box.tabIndex === 0) box.removeAttribute("tabindex");
  }
}

window.addEventListener("load", () => {
  markScrollable();
  window.MathJax?.startup?.promise?.then(markScrollable);
});
window.addEventListener("resize", markScrollable);
document.addEventListener("toggle", markScrollable, true);
