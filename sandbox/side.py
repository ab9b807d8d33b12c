"""The other side of one channel file: the same words, with the opposite halves of the keys.

Made of the document alone. Nothing here, nor in the modules that use it, knows a channel.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping
from urllib.parse import urlsplit

from engine.wire import crypto, sandboxed
from engine.wire.building import RequestPlan
from engine.wire.channel import Channel, Operation
from engine.wire.compile import compile_channel
from engine.wire.compile_requests import BODIES
from engine.wire.draft import Draft
from engine.wire.scope import CLIENT_SIGN, PLACE, SIGN, Scope
from engine.wire.secrets import Given, SecretBox, SecretSource
from engine.wire.signing import Check
from engine.wire.templates import Hole, Template

_ANYTHING = frozenset({"token", "notice."}).union(CLIENT_SIGN, SIGN, PLACE)


@dataclass(frozen=True, slots=True)
class Pattern:
    """What a request looks like: compiled templates in the shape of the file's trees. `operation` None: of `auth:`."""
    operation: Operation | None
    plan: RequestPlan
    query: Any
    body: Any
    headers: Any                             # those that carry the signature
    beside: Any                              # all others, by lower-case name: keys and tokens among them
    client: Any                              # what the buyer's terminal gets

    @property
    def name(self) -> str:
        return self.operation.name if self.operation else "auth"


class Side:
    """`public_url`: where this process is reached. `source`: other secrets than those made up (tests)."""

    def __init__(self, doc: Mapping[str, Any], public_url: str, source: SecretSource | None = None):
        self.written = doc
        self.doc = doc = sandboxed.document(doc)
        self.id, self.role, self.title = doc["id"], doc["role"], doc["title"]
        own = doc.get("sandbox", {})
        self.source = source or sandboxed.TheirHalves(doc)
        self.references = {**doc.get("secrets", {}),
                           **{name: {k: v for k, v in ref.items() if k != "id"} for name, ref in own.items()}}
        self.box = SecretBox(self.references, self.source)
        self._key_ids = {name: ref["id"] for name, ref in own.items() if "id" in ref}
        self.channel: Channel = compile_channel(doc, self.source)
        self.setting, self.constants = self.channel.setting, self.channel.constants
        self.draft = Draft.of(doc)
        url = self.draft.template(doc["base"], SIGN, ()).text(self.scope({"settings.sandbox_url": public_url})) \
            if "base" in doc else ""
        self.base_path = urlsplit(url).path.rstrip("/")
        self.patterns = [self._pattern(doc["operations"][name], op.plan, op) for name, op in self.channel.operations.items()]
        if self.channel.auth:
            self.patterns.append(self._pattern(doc["auth"], self.channel.auth.plan, None))

    def scope(self, facts: Mapping[str, Any] | None = None, names: dict[str, Any] | None = None) -> Scope:
        return Scope(self.setting, self.box, self.constants, facts or {}, names or {})

    def _pattern(self, spec: Mapping[str, Any], plan: RequestPlan, op: Operation | None) -> Pattern:
        kind = next((word for word in BODIES if word in spec), None)
        placed = plan.signer.places if plan.signer else {}
        client = spec.get("client", {})
        made = client.get(op.client.kind) if op and op.client else None
        return Pattern(op, plan, self.tree(spec.get("query", {})), self.tree(spec.get(kind)) if kind else {},
                       _lower(placed.get("header", {})), self._beside(spec, op is not None), self.tree(made))

    def _beside(self, spec: Mapping[str, Any], is_operation: bool) -> dict[str, Any]:
        """Headers that carry no signature: an operation has the channel's own, too."""
        doc = self.doc if is_operation else {}
        found = {**doc.get("headers", {}), **spec.get("headers", {}), **doc.get("auth", {}).get("header", {})}
        basic = spec.get("basic", doc.get("basic"))
        made = _lower(self.tree(found))
        if basic:
            made["authorization"] = Basic(self.draft.template(f"{basic['user']}:{basic['password']}", SIGN, ()))
        return made

    def tree(self, node: Any) -> Any:
        """A tree of the file with its texts compiled; `$…` mappings stay what they are, their texts compiled too."""
        if isinstance(node, str):
            return self.draft.template(node, _ANYTHING, ())
        if isinstance(node, Mapping):
            return {key: value if key in ("$seal", "$words") else self.tree(value) for key, value in node.items()}
        return [self.tree(value) for value in node] if isinstance(node, (list, tuple)) else node

    # --- keys

    def signing_key(self, check: Check) -> tuple[str, Any]:
        """(the key's id, the key) with which this side signs what the file verifies by `check`."""
        needs, pair = crypto.DIGESTS[check.digest].needs, crypto.DIGESTS[check.digest].pair
        if needs == "none":
            return "", check.secret
        name = check.secret
        held = self.source.read(name, self.references[name])
        key_id, text = next(iter(held.items())) if isinstance(held, Mapping) else (self._key_ids.get(name, ""), held)
        kind = self.references[name].get("as", "text")
        box = SecretBox({name: {"as": "text" if kind == "keyring" else kind}}, Given({name: text}))
        return key_id, box.private_key(name, pair) if needs == "private_key" else box.bytes(name)

    # --- what the file's parts say of themselves

    def client_holes(self, name: str) -> list[tuple[Hole, Template]]:
        """The parts of an answer that the buyer's terminal gets, with the text each stands in."""
        found: list[tuple[Hole, Template]] = []
        op = self.channel.operations[name]
        if op.client:
            _collect(self.tree(self.doc["operations"][name]["client"][op.client.kind]), found)
        return found


@dataclass(frozen=True, slots=True)
class Basic:
    """`Authorization: Basic …` of a name and a password."""
    template: Template


def _lower(named: Mapping[str, Any]) -> dict[str, Any]:
    return {name.lower(): value for name, value in named.items()}


def _collect(node: Any, found: list[tuple[Hole, Template]]) -> None:
    if isinstance(node, Template):
        found.extend((hole, node) for hole in node.holes if hole.name.startswith("answer."))
    elif isinstance(node, Mapping):
        for value in node.values():
            _collect(value, found)
    elif isinstance(node, list):
        for value in node:
            _collect(value, found)
