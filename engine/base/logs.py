"""Structured logs: each line carries the trace, the interface that consumed the event and the producer's trace."""
from __future__ import annotations

import logging
import sys

from . import canon, clock, settings, trace

_PLAIN = set(logging.LogRecord("", 0, "", 0, "", (), None).__dict__) | {"message", "asctime", "taskName"}


def extras(record: logging.LogRecord) -> dict:
    return {k: v for k, v in record.__dict__.items() if k not in _PLAIN}


class JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        t = trace.current()
        line = {"at": clock.rfc3339(clock.now_ms()), "level": record.levelname, "logger": record.name,
                "message": record.getMessage(), "trace_id": t.trace_id, "consumer": t.consumer, "producer": t.producer}
        line.update({k: str(v) for k, v in extras(record).items()})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return canon.dumps(line)


# Texts of others stand in lines: none may begin a line of its own, or do something to a terminal.
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160), 0x2028, 0x2029)}


class TextLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        t = trace.current()
        pairs = "".join(f" {k}={v}" for k, v in extras(record).items())
        who = f" [{t.consumer}]" if t.consumer else ""
        origin = f" producer={t.producer[:8]}" if t.producer else ""
        head = f"{clock.rfc3339(clock.now_ms())} {record.levelname:<7} {t.trace_id[:8]}{who}{origin} "
        text = (head + record.getMessage() + pairs).translate(_CONTROLS)
        return text + ("\n" + self.formatException(record.exc_info) if record.exc_info else "")


def setup() -> None:
    # What no line shows is not looked up for each: the caller's place, the thread, the process.
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if settings.get("LOG_FORMAT") == "json" else TextLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.get("LOG_LEVEL"))
    for noisy in ("urllib3", "huey", "peewee", "werkzeug"):
        logging.getLogger(noisy).setLevel("WARNING")
