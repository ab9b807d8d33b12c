// The editor page: checks while one types, saves against the version that was read, keeps unsaved text. It works on a plain
// text area; where the bundle was built, `SalewrightEditor` puts a real editor in the text area's place.
"use strict";

const bundle = window.SalewrightEditor;
const token = () => document.querySelector("meta[name=csrf-token]").content;

// What both kinds of editor can do: text(), set(text), onChange(fn), show(problems), go(line, column).
function plainEditor(area) {
  const offsetOf = (line, column) => area.value.split("\n").slice(0, line - 1).reduce((sum, text) => sum + text.length + 1, 0) + column - 1;
  return {
    text: () => area.value,
    set: (text) => { area.value = text; area.dispatchEvent(new Event("input")); },
    onChange: (fn) => area.addEventListener("input", fn),
    show: () => {},
    go: (line, column) => {
      const at = offsetOf(line, column);
      area.focus();
      area.setSelectionRange(at, at);
      area.scrollTop = (line - 5) * parseFloat(getComputedStyle(area).lineHeight);
    },
  };
}

document.querySelectorAll("textarea[data-readonly]").forEach((area) => bundle && bundle.open(area, { readOnly: true }));

// Differences: side by side where the bundle is, once they are looked at.
document.querySelectorAll("[data-diff]").forEach((box) => {
  if (!bundle) return;
  const draw = () => {
    if (box.dataset.drawn || (box.closest("details") && !box.closest("details").open)) return;
    box.dataset.drawn = "yes";
    bundle.compare(box, box.querySelector(".diff-old").value, box.querySelector(".diff-new").value, box.dataset.oldWord, box.dataset.newWord);
  };
  draw();
  if (box.closest("details")) box.closest("details").addEventListener("toggle", draw);
});

const form = document.querySelector("form[data-editor]");
if (form) edit(form);

function edit(form) {
  const words = JSON.parse(form.dataset.words);
  const area = form.elements.text;
  const editor = bundle ? bundle.open(area, {}) : plainEditor(area);
  const verdict = document.getElementById("verdict"), took = document.getElementById("took"), dirty = document.getElementById("dirty");
  const list = document.getElementById("problems"), notice = document.getElementById("notice");
  const keep = `salewright:${form.dataset.draft}:${form.dataset.path}`;
  let saved = area.defaultValue, timer = 0, asked = 0, problems = [], saving = false;

  function fileUrl(path) { return list.dataset.fileUrl.replace("PATH", path); }

  function say(text, kind) {
    notice.className = `note note-${kind}`;
    notice.textContent = text;
    notice.hidden = !text;
  }

  function changed() {
    const text = editor.text();
    dirty.textContent = text === saved ? "" : words.unsaved;
    try {
      if (text === saved) localStorage.removeItem(keep); else localStorage.setItem(keep, JSON.stringify({ text, on: saved }));
    } catch (_full) { dirty.textContent = words.unsaved; }
    clearTimeout(timer);
    timer = setTimeout(check, 250);
  }

  async function send(url, body) {
    const response = await fetch(url, {
      method: "POST", body: JSON.stringify(body),
      headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRFToken": token() },
    });
    return [response.ok, await response.json()];
  }

  async function check() {
    const mine = ++asked;
    verdict.className = "verdict verdict-wait";
    verdict.textContent = words.checking;
    try {
      const [ok, answer] = await send(form.dataset.checkUrl, { path: form.dataset.path, text: editor.text() });
      if (mine !== asked) return;
      if (ok) show(answer); else { verdict.textContent = answer.message; verdict.className = "verdict verdict-bad"; }
    } catch (_unreachable) {
      if (mine === asked) verdict.textContent = words.offline;
    }
  }

  function show(answer) {
    problems = answer.problems;
    const here = problems.filter((p) => p.file === form.dataset.path);
    const bad = problems.length > 0 || answer.conflict;
    verdict.className = `verdict ${bad ? "verdict-bad" : "verdict-good"}`;
    verdict.textContent = problems.length ? (problems.length === 1 ? words.problem : words.problems.replace("{n}", problems.length)) + (here.length < problems.length ? `, ${words.here.replace("{n}", here.length)}` : "")
      : answer.conflict || words.sound;
    took.textContent = `${answer.took_ms} ms`;
    list.replaceChildren(listed([...here, ...problems.filter((p) => p.file !== form.dataset.path)]));
    editor.show(here);
    const counts = new Map();
    problems.forEach((p) => counts.set(p.file, (counts.get(p.file) || 0) + 1));
    document.querySelectorAll(".files a").forEach((link) => {
      const mark = link.querySelector(".count"), n = counts.get(link.dataset.path) || 0;
      mark.hidden = n === 0;
      mark.textContent = n;
    });
  }

  function listed(all) {
    const items = document.createElement("ol");
    items.className = "problems";
    all.forEach((p) => {
      const item = items.appendChild(document.createElement("li"));
      item.className = "problem";
      const place = item.appendChild(document.createElement("a"));
      place.className = "place";
      place.textContent = `${p.file}:${p.line}:${p.column}`;
      place.href = p.file === form.dataset.path ? `#L${p.line}:${p.column}` : `${fileUrl(p.file)}#L${p.line}:${p.column}`;
      item.append(" ", span("rule", p.rule_word), " ", span("said", p.message));
      [["found", p.found], ["expected", p.expected], ["nearest", p.nearest]].forEach(([name, value]) => {
        if (!value) return;
        const detail = span("detail", `${words[name]} `);
        detail.append(Object.assign(document.createElement("code"), { textContent: value }));
        item.append(" ", detail);
      });
    });
    return items;
  }

  function span(name, text) { return Object.assign(document.createElement("span"), { className: name, textContent: text }); }

  async function save() {
    if (saving) return;
    saving = true;
    const text = editor.text();
    try {
      const [ok, answer] = await send(location.pathname, { text, version: form.elements.version.value, seen: form.elements.seen.value });
      if (ok) {
        saved = text;
        Object.assign(form.elements.version, { value: answer.version });
        Object.assign(form.elements.seen, { value: answer.seen });
        document.querySelectorAll("input[name=version]").forEach((field) => { field.value = answer.version; });
        localStorage.removeItem(keep);
        say(words.saved, "success");
        changed();
      } else {
        say(answer.message, "danger");
        if (answer.code === "edit_conflict") conflict(answer, text);
      }
    } catch (_unreachable) {
      say(words.offline, "danger");
    } finally {
      saving = false;
    }
  }

  // Somebody else wrote this file: both texts are shown, and the next save is made against theirs.
  function conflict(answer, text) {
    form.elements.version.value = answer.version;
    form.elements.seen.value = answer.seen;
    const box = document.createElement("div");
    box.className = "diff";
    const use = Object.assign(document.createElement("button"), { type: "button", className: "btn btn-sm btn-light", textContent: words.throw });
    use.addEventListener("click", () => { editor.set(answer.stored || ""); box.remove(); use.remove(); });
    notice.append(" ", use);
    notice.after(box);
    if (bundle) bundle.compare(box, answer.stored || "", text, words.stored, words.mine);
  }

  form.addEventListener("submit", (event) => { event.preventDefault(); save(); });
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key === "s") { event.preventDefault(); save(); }
  });
  window.addEventListener("beforeunload", (event) => { if (editor.text() !== saved) event.preventDefault(); });
  list.addEventListener("click", (event) => {
    const place = event.target.closest(".place");
    const match = place && (place.getAttribute("href") || "").match(/^#L(\d+):(\d+)$/);
    if (!match) return;
    event.preventDefault();
    editor.go(Number(match[1]), Number(match[2]));
  });
  editor.onChange(changed);
  editor.show(JSON.parse(list.dataset.found).filter((p) => p.file === form.dataset.path));
  restore();
  jump();

  function restore() {
    let earlier = null;
    try { earlier = JSON.parse(localStorage.getItem(keep)); } catch (_broken) { localStorage.removeItem(keep); }
    if (!earlier || earlier.text === saved || notice.dataset.stale) return;
    if (earlier.on !== saved) { localStorage.removeItem(keep); return; }
    editor.set(earlier.text);
    say(words.restored, "info");
  }

  function jump() {
    const match = location.hash.match(/^#L(\d+):(\d+)$/);
    if (match) editor.go(Number(match[1]), Number(match[2]));
  }
}
