// What every page does beyond links and forms: ask before a deed, send filters, mark traces, narrow lists.
"use strict";

const $all = (selector, root = document) => Array.from(root.querySelectorAll(selector));

// A form with data-confirm is asked about here; the answer goes along, so that the server need not ask again.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.dataset || form.dataset.confirm === undefined || form.dataset.answered) return;
  event.preventDefault();
  const dialog = document.getElementById("confirm");
  dialog.querySelector(".ask-question").textContent = form.dataset.confirm;
  const yes = dialog.querySelector(".ask-yes");
  yes.textContent = form.dataset.confirmButton;
  yes.className = `btn ask-yes ${form.dataset.confirmDanger === undefined ? "btn-primary" : "btn-danger"}`;
  dialog.returnValue = "no";
  dialog.addEventListener("close", () => {
    if (dialog.returnValue !== "yes") return;
    const answer = document.createElement("input");
    Object.assign(answer, { type: "hidden", name: "confirmed", value: "yes" });
    form.append(answer);
    form.dataset.answered = "yes";
    form.requestSubmit();
  }, { once: true });
  dialog.showModal();
});

// A choice in a filter is sent at once; empty fields stay out of the address.
document.addEventListener("change", (event) => {
  if (event.target.dataset.submit !== undefined) event.target.form.requestSubmit();
});
$all("form.filters").forEach((form) => form.addEventListener("submit", () => {
  $all("input, select", form).forEach((field) => { if (field.name && !field.value) field.disabled = true; });
}));
window.addEventListener("pageshow", () => $all("form.filters :disabled").forEach((field) => { field.disabled = false; }));

// A click on a trace marks everything of it.
document.addEventListener("click", (event) => {
  const button = event.target.closest(".trace");
  if (!button) return;
  const lit = !button.classList.contains("lit");
  $all(".lit").forEach((mark) => mark.classList.remove("lit"));
  if (!lit) return;
  $all(`.trace[data-trace="${button.dataset.trace}"]`).forEach((mark) => mark.classList.add("lit"));
  $all(`[data-trace-of="${button.dataset.trace}"]`).forEach((mark) => mark.classList.add("lit"));
});

// Chips switch groups of a list on and off.
$all("[data-filter]").forEach((chips) => chips.addEventListener("click", (event) => {
  const chip = event.target.closest(".chip");
  if (!chip) return;
  const on = chip.getAttribute("aria-pressed") !== "true";
  chip.setAttribute("aria-pressed", on);
  $all(`${chips.dataset.filter} [data-group="${chip.dataset.group}"]`).forEach((row) => { row.hidden = !on; });
}));

// A field that narrows links to those which hold its text.
$all("[data-narrow]").forEach((field) => field.addEventListener("input", () => {
  const wanted = field.value.trim().toLowerCase();
  $all(field.dataset.narrow).forEach((link) => {
    link.hidden = wanted !== "" && !`${link.textContent} ${link.title}`.toLowerCase().includes(wanted);
    if (wanted && !link.hidden && link.closest("details")) link.closest("details").open = true;
  });
}));

// An open menu closes when something else is clicked.
document.addEventListener("click", (event) => {
  $all("details.menu[open]").forEach((menu) => { if (!menu.contains(event.target)) menu.open = false; });
});
