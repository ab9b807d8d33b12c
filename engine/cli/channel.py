"""`run.py channel`: the workshop of channel files. What each action does lives in `engine/cli/channels`."""
from __future__ import annotations

import sys
from pathlib import Path

from .roles import ROOT


def register(commands) -> None:
    command = commands.add_parser("channel", help="write, look through and try a channel file", description=(
        "The workshop of channel files. docs/write-a-channel.md walks through one."))
    actions = command.add_subparsers(title="actions", metavar="<action>", required=True)
    _new(actions)
    _try(actions)
    _conform(actions)
    _examples(actions)


def _new(actions) -> None:
    command = actions.add_parser("new", help="begin a channel file: a guided copy", description=(
        "Writes channels/<id>.yaml: a file that passes `check` as it is, with a mark at every line to be held against the "
        "provider's documentation. Asks for what is not given, on a terminal."))
    command.add_argument("id", nargs="?", help="its id: small letters, digits, -")
    command.add_argument("--like", metavar="ID", help="begin as another channel of the catalogue, saying only what differs")
    command.add_argument("--role", help="pay, message, upstream (others: begin --like one of them)")
    command.add_argument("--base", metavar="URL", help="the provider's address, https://…")
    command.add_argument("--signs", metavar="WAY", help="how it signs: md5-after, md5-around, md5-values, rsa-pairs, rsa-header, "
                         "hmac-header, bearer")
    command.add_argument("--operations", metavar="A,B", help="which operations (default: all of the role)")
    command.add_argument("--money", choices=("fen", "yuan"), help="how amounts are written (default yuan)")
    command.add_argument("--folder", type=Path, default=ROOT, help="the catalogue (default: this one's)")
    command.set_defaults(run=new)


def _try(actions) -> None:
    command = actions.add_parser("try", help="see the exact bytes of a channel, or why a callback is not taken", description=(
        "Shows for each operation what would be sent this moment: the text that is signed, with visible line ends, the "
        "signature, headers and body. With --callback: each step of verifying, opening, mapping and matching a call that came, "
        "the first that fails, and what to do. Nothing is sent, and no secret is printed."))
    command.add_argument("file", help="a channel's id, or a file")
    command.add_argument("operation", nargs="?", help="one operation only")
    command.add_argument("--facts", type=Path, metavar="FILE", help="facts in YAML (payment.amount: 9.90); others are made up")
    command.add_argument("--callback", type=Path, metavar="FILE", help="a pasted HTTP call: headers, an empty line, the body")
    command.add_argument("--event", help="which notice the callback is, if its address does not say")
    command.add_argument("--at", metavar="TIME", help="pretend this moment (2026-11-21T12:00:00Z)")
    command.set_defaults(run=try_out)


def _conform(actions) -> None:
    command = actions.add_parser("conform", help="drive a channel file through everything against the sandbox", description=(
        "Plays the file against the sandbox in a throw-away folder: pay, repeated and forged notices, unknown outcomes, refund, "
        "close, a day's statement, contracts and deductions, a supplier's or a shop's order, messages: whatever the file declares. "
        "Exit 1 names the step that failed."))
    command.add_argument("file", help="a channel's id, or a file")
    command.add_argument("--only", metavar="DRILL", help="one drill, by its name in the table")
    command.set_defaults(run=conform)


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


def new(args) -> int:
    from .channels import asking, files, starting

    folder = args.folder / "channels"
    if args.like:
        files.read_right(args.like, args.folder)
        id = args.id or asking.ask("id", "the channel's id", "")
        starting.require_free(id, folder)
        text = starting.alike(id, args.like)
    else:
        wanted = asking.wanted(args)
        starting.require(wanted, folder)
        id, text = wanted.id, starting.text_of(wanted)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{id}.yaml"
    path.write_text(text, encoding="utf-8")
    files.read_right(str(path), args.folder)
    marks = sum("# ←" in line for line in text.splitlines())
    print(f"wrote {path}: it passes the checks; {marks - 1 if not args.like else marks} lines marked \"# ←\" wait for the "
          "provider's documentation")
    return 0


def try_out(args) -> int:
    from ..base import clock
    from ..base.errors import Code, Refusal
    from ..wire.trying import channel_for_trying
    from .channels import files, showing

    doc = files.read_right(args.file, ROOT).doc
    for path in (args.facts, args.callback):
        if path is not None and not path.is_file():
            raise Refusal(Code.NOT_FOUND, f"there is no file {path}")
    channel, source = channel_for_trying(doc, showing.OurTestHalves(doc))
    try:
        now_ms = clock.parse_rfc3339(args.at) if args.at else clock.now_ms()
    except ValueError as error:
        raise Refusal(Code.BAD_REQUEST, f"--at: {error}") from None
    if args.callback is None:
        facts = showing.facts_of(args.facts) if args.facts else {}
        for line in showing.operations(doc, channel, source, args.operation, facts, now_ms):
            print(line)
        return 0
    good = True
    for good, line in showing.callback(doc, channel, source, showing.pasted(args.callback), args.event, now_ms):
        print(line)
    return 0 if good else 1


def conform(args) -> int:
    from .channels import conforming, files

    return conforming.show(files.read_right(args.file, ROOT), args.only)


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
