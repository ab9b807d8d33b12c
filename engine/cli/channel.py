"""`run.py channel`: the workshop of channel files. What each action does lives in `engine/cli/channels`."""
from __future__ import annotations

import sys

from .roles import ROOT


def register(commands) -> None:
    command = commands.add_parser("channel", help="write, look through and try a channel file", description=(
        "The workshop of channel files. docs/write-a-channel.md walks through one."))
    actions = command.add_subparsers(title="actions", metavar="<action>", required=True)
    _examples(actions)


def _examples(actions) -> None:
    command = actions.add_parser("examples", help="write the examples of a file from what it does now", description=(
        "Writes exact examples of every operation and notice from what the file does NOW: requests to the byte, answers of "
        "every judgement, good, changed, stale and foreign notices. They are a net against changes. That the file is right "
        "they do not prove: compare each with the provider's documentation."))
    command.add_argument("file", help="a channel file, or the id of a channel of this catalogue")
    command.add_argument("--write", action="store_true", help="put them into the file, below a mark; what stands above the "
                         "mark is yours and stays (default: show them)")
    command.add_argument("--missing", action="store_true", help="instead: change the file's protocol one leaf at a time and "
                         "list the changes that no example notices, with their places; exit 1 if there are any")
    command.set_defaults(run=examples)


def examples(args) -> int:
    from .channels import files

    file = files.read_right(args.file, ROOT)
    return _missing(file) if args.missing else _make(file, args.write)


def _make(file, write: bool) -> int:
    from ..wire.examples import run_example
    from .channels import written
    from .channels.imagined import imagine

    imagined = imagine(file.doc, file.base)
    own = written.own_names(file.text, file.own)
    held = {example["name"]: example for example in file.own.get("examples", ())
            if example["name"] not in own and not run_example(imagined.doc, example)}
    made = [held.get(example["name"], example) for example in imagined.examples if example["name"] not in own]
    if write:
        file.path.write_text(written.merged(file.text, file.doc, imagined.secrets, made), encoding="utf-8")
        print(f"{file.path}: {len(made)} examples below the mark, {len(own)} of your own above it")
    else:
        print(written.block(made), end="")
    for name, why in imagined.gaps:
        print(f"by hand, please: {name} ({why})", file=sys.stderr)
    print("They say what the file does now, not that it is right: compare each with the provider's documentation, then move it "
          "above the mark.\nWhat no example notices yet: run.py channel examples "
          f"{file.path} --missing", file=sys.stderr)
    return 0


def _missing(file) -> int:
    from ..wire import mutants

    tried = [edit.path for edit in mutants.edits(file.doc) if file.writes(edit.path)]
    count = 0
    for survivor in mutants.survivors(file.doc):
        if file.writes(survivor.path):
            count += 1
            print(file.problem(survivor.path, f"no example notices: {survivor.name}", "unnoticed"))
    print(f"{len(tried)} changes tried, {count} unnoticed" + (
        ": add an example that tells each from the file, or take out what says nothing" if count else ""), file=sys.stderr)
    return 1 if count else 0
