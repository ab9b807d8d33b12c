"""`like:` of a channel file: it starts as another channel's file, and says only what differs.

What follows the other file: everything but what is each file's own (`OWN`). The file's own mappings are merged in key by
key; a list or a single value replaces; `null` takes away. A file that is like another can't be copied further: one step is
easily read, a chain is not.

The merged document is the channel: the checks, the releases' digests, the wire room and the sandbox see nothing else. Only
places are remembered apart, so that what is wrong is told where it is written.
"""
from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Iterable, Mapping, Protocol

from .problems import Fault, Problem, nearest_word, shown

OWN = ("id", "title", "note", "like", "examples", "sandbox")
Document = Mapping[str, Any]


class Written(Protocol):
    """A file as it was read: what it says, and where (`reader.Source` or what stands for it)."""
    path: str
    data: Any

    def problem(self, fault: Fault) -> Problem: ...


@dataclass(frozen=True, slots=True)
class Alike:
    """A channel that is like another. `data` is the merged document; a fault stands in the file that wrote the key."""
    own: Written
    base: Written
    data: Document

    @property
    def path(self) -> str:
        return self.own.path

    def problem(self, fault: Fault) -> Problem:
        if _depth(self.own.data, fault.path) < len(fault.path) and _depth(self.base.data, fault.path) == len(fault.path):
            name = self.own.path.rsplit("/", 1)[-1].removesuffix(".yaml")
            return self.base.problem(replace(fault, message=f"in {name}, which is like this: {fault.message}"))
        return self.own.problem(fault)


def _depth(data: Any, path: tuple) -> int:
    """How many steps of a path lead somewhere in a document."""
    for i, step in enumerate(path):
        inside = step in data if isinstance(data, Mapping) else \
            isinstance(data, list) and type(step) is int and 0 <= step < len(data)
        if not inside:
            return i
        data = data[step]
    return len(path)


def is_like(data: Any) -> bool:
    return isinstance(data, Mapping) and "like" in data


def fault_of(id: str, data: Document, there: Mapping[str, Any], ids: Iterable[str]) -> Fault | None:
    """What is wrong with a file's `like:`. `there`: what each channel file that can be read says; `ids`: of all of them."""
    other = data["like"]
    others = [each for each in ids if each != id and not is_like(there.get(each))]
    if not isinstance(other, str) or other not in [*ids]:
        return Fault(("like",), "like", f"there is no channel {shown(other)} to be like", shown(other),
                     nearest=nearest_word(other, others))
    if other == id:
        return Fault(("like",), "like", "a channel can't be like itself", shown(other))
    if is_like(there.get(other)):
        return Fault(("like",), "like", f"{other} is itself like another channel: be like that one, and say what differs",
                     shown(other), shown(there[other]["like"]))
    return None


def merged(base: Document, own: Document) -> tuple[Document, list[Fault]]:
    """(the document, what is wrong): `null` where there is nothing to take away is a slip of the pen."""
    faults: list[Fault] = []
    start = {key: value for key, value in base.items() if key not in OWN}
    written = {key: value for key, value in own.items() if key != "like"}
    return _merge(start, written, (), faults), faults


def _merge(base: Document, own: Document, path: tuple, faults: list[Fault]) -> dict[str, Any]:
    result = dict(base)
    for key, value in own.items():
        if value is None:
            if key not in base:
                faults.append(Fault((*path, key), "like", "there is nothing to take away here", nearest=nearest_word(key, base),
                                    at_key=True))
            result.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(base.get(key), Mapping):
            result[key] = _merge(base[key], value, (*path, key), faults)
        else:
            result[key] = value
    return result


def merged_all(documents: Mapping[str, Document]) -> dict[str, Document]:
    """Channel documents by id, each complete; one whose `like:` leads nowhere is left out. For processes that read the
    folder alone."""
    found = {}
    for id, data in documents.items():
        if not is_like(data):
            found[id] = data
        elif fault_of(id, data, documents, documents) is None:
            found[id] = merged(documents[data["like"]], data)[0]
    return found
