"""Examples of a channel file, imagined from the file itself: what it does now, in every way the file distinguishes.

For each operation: its request to the byte, without its optional facts, an answer for every judgement and every word, and
answers that miss a judgement by one leaf; once for each way of verifying: a signed answer, the same changed on the way, too
old, under an unknown key. For each notice the same, and other kinds, another merchant, another sealing key, our answers.
They are a net against changes; that the file is *right* only the provider's documentation and tools can say.
"""
from __future__ import annotations

from typing import Any, Mapping

from ...base import clock
from ...wire import run_example
from .collecting import Collection
from .of_notice import OfNotice
from .of_operation import OfOperation
from .values import AT_S


def imagine(doc: Mapping[str, Any], base: Mapping[str, Any] | None = None) -> Collection:
    """Every example of a document, and what could not be made up. Of one that is like `base` only those that tell them apart."""
    found = Collection(doc)
    clock.set_to(AT_S * 1000)
    try:
        for name, op in found.channel.operations.items():
            OfOperation(found, name, op).run()
        for name, event in found.channel.events.items():
            OfNotice(found, name, event).run()
    finally:
        clock.set_to(None)
    if base is not None:
        other = {**base, "test_secrets": {**found.secrets, **base.get("test_secrets", {})}}
        found.examples = [example for example in found.examples if run_example(other, example)]
    return found
