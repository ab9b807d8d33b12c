"""The wire room: outside systems as data. A channel file says how an outside system is called and how it calls us; this
room compiles the file once and speaks its protocol.

`load` a document, `operate` it, `receive` its notices and `answer` them; `check_channel` and `run_example` serve the
checks.

    read       draft · templates · trees · mapping · opening · compile_signing → compile_requests, compile_operations,
               compile_notices, compile_keyrings, compile_statements → compile, which makes a channel of a document;
               loading keeps it
    speak      building → sending → concluding, told in operating; tokens; statements, fetched and cut into rows
    listen     notices · verifier
    know       model, vocabulary, scope: what passes through, its words, what can be named;
               codecs, casts, paths, crypto, signing, secrets, keyrings, redact; sandboxed, made_up: spoken with the sandbox
"""
from .channel import Channel
from .compile import check_channel
from .examples import run_example
from .loading import load
from .model import IncomingRequest, Notice, NoticeRejected, Outcome, Verified, WireError
from .notices import answer, receive
from .operating import declares, needs_call, needs_facts, operate, operation_of
from .secrets import Given, Places
from .sending import forbid_in
from .statements import Statement, statement
from .verifier import check_verify, compile_verifier

__all__ = ["load", "declares", "needs_call", "needs_facts", "operate", "operation_of", "receive", "answer", "forbid_in",
           "check_channel", "check_verify", "compile_verifier", "run_example", "Channel", "Given", "IncomingRequest",
           "Notice", "NoticeRejected", "Outcome", "Places", "Statement", "statement", "Verified", "WireError"]
