// The bundle: a YAML editor in a text area's place, and two texts side by side. What to do with them is studio.js's business.
import { basicSetup } from "codemirror";
import { EditorState } from "@codemirror/state";
import { EditorView, keymap } from "@codemirror/view";
import { indentWithTab } from "@codemirror/commands";
import { yaml } from "@codemirror/lang-yaml";
import { lintGutter, setDiagnostics } from "@codemirror/lint";
import { MergeView } from "@codemirror/merge";

// The page's policy lets only styles with its nonce in.
const nonce = document.currentScript.nonce;
// What the editor itself says, in the reader's language.
const phrases = JSON.parse(document.currentScript.dataset.phrases);

const look = EditorView.theme({
  "&": { backgroundColor: "#fff" },
  ".cm-gutters": { backgroundColor: "#fafbfc", borderRight: "1px solid #e8ecf0", color: "#98a2ad" },
  ".cm-activeLine": { backgroundColor: "#f4f8fc88" },
  ".cm-activeLineGutter": { backgroundColor: "#eaf1f8" },
  ".cm-tooltip-lint": { maxWidth: "560px" },
});

function common(readOnly) {
  return [basicSetup, yaml(), look, EditorView.cspNonce.of(nonce), EditorState.tabSize.of(2),
    EditorState.phrases.of(phrases),
    EditorState.readOnly.of(readOnly), EditorView.editable.of(!readOnly)];
}

/** Puts an editor in a text area's place and keeps the area's value in step. options: {readOnly}. */
export function open(area, options) {
  const host = document.createElement("div");
  host.className = area.classList.contains("code-tall") ? "cm-host cm-host-tall" : "cm-host";
  area.after(host);
  area.hidden = true;
  const listeners = [];
  const view = new EditorView({
    parent: host,
    doc: area.value,
    extensions: [
      ...common(Boolean(options.readOnly)),
      options.readOnly ? [] : [lintGutter(), EditorView.lineWrapping],
      keymap.of([indentWithTab]),
      EditorView.contentAttributes.of({ "aria-label": area.getAttribute("aria-label") || "YAML" }),
      EditorView.updateListener.of((update) => {
        if (!update.docChanged) return;
        area.value = view.state.doc.toString();
        listeners.forEach((listener) => listener());
      }),
    ],
  });

  function offset(line, column) {
    const found = view.state.doc.line(Math.min(Math.max(line, 1), view.state.doc.lines));
    return Math.min(found.from + column - 1, found.to);
  }

  // A problem is underlined from its place to the end of the word there.
  function diagnostic(problem) {
    const from = offset(problem.line, problem.column);
    const line = view.state.doc.lineAt(from);
    const word = /^[^\s:,\]}]+/.exec(line.text.slice(from - line.from));
    const extra = [problem.found && `≠ ${problem.found}`, problem.expected && `→ ${problem.expected}`, problem.nearest && `? ${problem.nearest}`];
    return { from, to: Math.min(from + Math.max(word ? word[0].length : 1, 1), line.to), severity: "error", source: problem.rule_word,
      message: [problem.message, ...extra.filter(Boolean)].join("\n") };
  }

  return {
    text: () => view.state.doc.toString(),
    set: (text) => view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text } }),
    onChange: (listener) => listeners.push(listener),
    show: (problems) => view.dispatch(setDiagnostics(view.state, problems.map(diagnostic).sort((a, b) => a.from - b.from))),
    go: (line, column) => {
      const at = offset(line, column);
      view.dispatch({ selection: { anchor: at }, effects: EditorView.scrollIntoView(at, { y: "center" }) });
      view.focus();
    },
  };
}

/** Two texts side by side in a box, what is the same folded away. */
export function compare(box, before, after, beforeWord, afterWord) {
  const heads = document.createElement("div");
  heads.className = "diff-heads";
  for (const word of [beforeWord, afterWord]) heads.append(Object.assign(document.createElement("span"), { textContent: word }));
  box.replaceChildren(heads);
  const sides = [...common(true), EditorView.lineWrapping];
  return new MergeView({ a: { doc: before, extensions: sides }, b: { doc: after, extensions: sides }, parent: box, gutter: true,
    highlightChanges: true, collapseUnchanged: { margin: 3, minSize: 6 } });
}
