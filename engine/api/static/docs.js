// The language button, the filter, and the boxes that send a request.
"use strict";
const root = document.documentElement;
const button = document.getElementById("language");

function speak(language) {
  root.dataset.lang = root.lang = language;
  button.textContent = language === "zh" ? "English" : "中文";
  localStorage.setItem("docs-language", language);
}
speak(localStorage.getItem("docs-language") || (navigator.language.startsWith("zh") ? "zh" : "en"));
button.addEventListener("click", () => speak(root.dataset.lang === "zh" ? "en" : "zh"));

const filter = document.getElementById("filter");
filter.addEventListener("input", () => {
  const wanted = filter.value.trim().toLowerCase();
  for (const group of document.querySelectorAll(".group")) {
    let left = 0;
    for (const link of group.querySelectorAll("a")) {
      link.hidden = !link.dataset.words.toLowerCase().includes(wanted);
      link.style.display = link.hidden ? "none" : "";
      left += link.hidden ? 0 : 1;
    }
    group.hidden = left === 0;
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !/INPUT|TEXTAREA/.test(document.activeElement.tagName)) {
    event.preventDefault();
    filter.focus();
  }
});

for (const box of document.querySelectorAll(".try")) {
  box.querySelector("form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const form = event.target;
    let path = box.dataset.path;
    const query = new URLSearchParams();
    for (const input of form.querySelectorAll("input[data-in]")) {
      if (input.dataset.in === "path") path = path.replace(`{${input.name}}`, encodeURIComponent(input.value));
      else if (input.value !== "") query.set(input.name, input.value);
    }
    const key = document.getElementById("key").value.trim();
    const headers = key ? { Authorization: `Bearer ${key}` } : {};
    const options = { method: box.dataset.method, headers };
    if (form.elements.body) {
      headers["Content-Type"] = "application/json";
      options.body = form.elements.body.value;
    }
    if (options.method === "POST") headers["Idempotency-Key"] = crypto.randomUUID();
    const output = box.querySelector("output");
    output.hidden = false;
    try {
      const answer = await fetch(path + (query.size ? `?${query}` : ""), options);
      const text = await answer.text();
      output.querySelector("b").textContent = `${answer.status} ${answer.statusText}`;
      output.querySelector("pre").textContent = pretty(text);
    } catch (error) {
      output.querySelector("b").textContent = String(error);
      output.querySelector("pre").textContent = "";
    }
  });
}

function pretty(text) {
  try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return text; }
}
