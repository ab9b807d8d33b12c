"""`run.py check`, `publish`, `releases`, `diff`, `rollback`, `export`: the catalogue in folder and database."""
from __future__ import annotations

import getpass
import os
import sys
from pathlib import Path

from .roles import ROOT


def register(commands) -> None:
    def add(name: str, about: str, run, *options: tuple) -> None:
        command = commands.add_parser(name, help=about)
        for flags, settings in options:
            command.add_argument(*flags, **settings)
        command.set_defaults(run=run)

    folder = (("folder",), {"nargs": "?", "type": Path, "default": ROOT, "help": "the catalogue (default: this one's)"})
    note = (("-m", "--note"), {"required": True, "help": "why, in a sentence"})
    author = (("--author",), {"default": None, "help": "who (default: your login name)"})
    add("check", "check a catalogue: every error with its place", check_folder, folder)
    add("publish", "check a catalogue and make it the live release", publish, folder, note, author)
    add("releases", "the releases, newest first, and which is live", list_releases,
        (("-n", "--limit"), {"type": int, "default": 20, "help": "how many (default 20)"}))
    add("diff", "what differs between two releases", show_diff,
        (("a",), {"type": int, "help": "release number"}),
        (("b",), {"type": int, "nargs": "?", "help": "release number (default: the live one)"}),
        (("--summary",), {"action": "store_true", "help": "names of files only"}))
    add("rollback", "make an earlier release live again", rollback, (("no",), {"type": int, "help": "release number"}),
        (("-m", "--note"), {"default": "rolled back", "help": "why, in a sentence"}), author)
    add("export", "write a release's files into a folder", export, (("no",), {"type": int, "help": "release number"}),
        (("folder",), {"type": Path}))


def check_folder(args) -> int:
    from ..config import rules
    from ..config.check import check
    from ..startup import vocabulary

    require_catalogue(args.folder)
    result = check(args.folder, vocabulary())
    for problem in result.problems:
        print(problem)
    for note in result.notes:
        print(f"note: {note}", file=sys.stderr)
    evaluator, why = rules.backend()
    print(f"rule sets are evaluated by {evaluator} ({why})", file=sys.stderr)
    if result.problems:
        print(counted(result.problems), file=sys.stderr)
        return 1
    print("sound: " + ", ".join(f"{kind} {count}" for kind, count in result.counts.items() if count))
    return 0


def publish(args) -> int:
    from ..config import releases
    from ..startup import open_store, vocabulary

    open_store()
    no = releases.publish(catalogue_files(args.folder), args.note, author_of(args), vocabulary())
    print(f"release {no} is live")
    return 0


def list_releases(args) -> int:
    from ..base import clock
    from ..config import releases
    from ..startup import open_store

    open_store()
    for row in releases.history(args.limit):
        mark = "*" if row["live"] else " "
        print(f"{mark} {row['no']:>5}  {clock.rfc3339(row['created_at_ms'])}  {row['digest'][:12]}  "
              f"{row['author']:<12}  {row['note']}")
    return 0


def show_diff(args) -> int:
    from ..config import releases
    from ..startup import open_store

    open_store()
    difference = releases.diff(args.a, args.b if args.b is not None else require_live())
    if args.summary:
        for mark, paths in (("M", difference.changed), ("A", difference.added), ("D", difference.removed)):
            for path in paths:
                print(mark, path)
    else:
        for path_text in difference.texts.values():
            print(path_text, end="")
    print(difference.summary, file=sys.stderr)
    return 0


def rollback(args) -> int:
    from ..config import releases
    from ..startup import open_store, vocabulary

    open_store()
    releases.rollback(args.no, author_of(args), args.note, vocabulary())
    print(f"release {args.no} is live again")
    return 0


def export(args) -> int:
    from ..config import releases
    from ..startup import open_store

    open_store()
    print(f"wrote {releases.export(args.no, args.folder)} files of release {args.no} to {args.folder}")
    return 0


# shared by these commands and by `ready`

def require_catalogue(folder: Path) -> None:
    from ..base.errors import Code, Refusal
    from ..config.reader import KINDS

    if not any((folder / kind).is_dir() for kind in KINDS):
        raise Refusal(Code.NOT_FOUND, f"there is no catalogue in {folder}: it has none of the folders {', '.join(KINDS)}")


def catalogue_files(folder: Path) -> dict[str, str]:
    """The catalogue below a folder: {path: text}. Refusal CHECK_FAILED when a file in it can't be taken as text or
    would be left out; what is wrong inside one is for the checker to say."""
    from ..base.errors import Code, Refusal
    from ..config.check import documents
    from ..config.reader import read_folder
    from ..config.releases import as_detail

    require_catalogue(folder)
    try:
        files = documents(folder)
    except (OSError, UnicodeDecodeError):
        files = {}
    lost = [problem for problem in read_folder(folder)[1] if problem.file not in files]
    if lost:
        raise Refusal(Code.CHECK_FAILED, details=[as_detail(problem) for problem in lost])
    return files


def require_live() -> int:
    from ..base.errors import Code, Refusal
    from ..config import releases

    no = releases.live_no()
    if not no:
        raise Refusal(Code.NOT_READY)
    return no


def author_of(args) -> str:
    return args.author or login_name()


def login_name() -> str:
    return os.environ.get("USER") or getpass.getuser()


def counted(problems: list) -> str:
    return f"{len(problems)} error{'s' * (len(problems) != 1)}"
