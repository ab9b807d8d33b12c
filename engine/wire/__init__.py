"""The wire room: outside systems as data. A channel file says how an outside system is called and how it calls us; this
room compiles the file once and speaks its protocol.

`load` a document, `operate` it, `receive` its notices and `answer` them; `check_channel` and `run_example` serve the
checks.
"""
from .channel import declares, forbid_in, load, needs_call, needs_facts, operate, operation_of
from .compile import Channel, check_channel
from .examples import run_example
from .model import IncomingRequest, Notice, NoticeRejected, Outcome, Verified, WireError
from .notices import answer, receive
from .secrets import Given, Places
from .verifier import check_verify, compile_verifier

__all__ = ["load", "declares", "needs_call", "needs_facts", "operate", "operation_of", "receive", "answer", "forbid_in",
           "check_channel",
           "check_verify", "compile_verifier", "run_example", "Channel", "Given", "IncomingRequest", "Notice",
           "NoticeRejected", "Outcome", "Places", "Verified", "WireError"]
