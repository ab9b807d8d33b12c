"""A channel document → a Channel of closures, once. The same pass finds every problem JSON Schema can't see.

`check_channel(doc)` returns the problems; `compile_channel(doc, secrets)` raises WireError when there are any. The
document is plain data that already passed `channel.json`.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Mapping

from ..base import clock, settings
from . import casts, codecs, mapping, opening, paths, signing, templates
from .casts import Setting
from .mapping import Judge, Rule, Take
from .model import EMPTY, IncomingRequest, Message, NoticeRejected, Unreadable, WireError
from .building import RequestPlan
from .secrets import SecretBox, SecretSource
from .signing import Check, Signer
from .templates import Draft, Path, Scope, Template
from .tokens import Kept
from .vocabulary import BUILTINS, OPEN_FACTS, OPERATIONS

METHODS = ("get", "post", "put", "patch", "delete")
BODIES = ("json", "form", "form_brackets", "xml", "text")
CLIENTS = ("qr", "redirect", "text", "params")


@dataclass(frozen=True, slots=True)
class Client:
    """What the buyer's terminal gets: one kind, and a signature of its own where the protocol has one."""
    kind: str
    make: Callable[[Scope], Any]
    signer: Signer | None


@dataclass(frozen=True, slots=True)
class Operation:
    name: str
    sends: bool                              # False: only parameters or an address for the client; no call of ours
    plan: RequestPlan
    answer_kind: str
    checks: tuple[Check, ...]                # () : TLS alone vouches for the answer
    unsigned_when: Judge | None              # an unsigned answer may be believed when this holds, but never as success
    open: Callable[[Any, Scope], Any]
    rules: tuple[Rule, ...]
    take: Take
    match: Mapping[str, Template]
    client: Client | None
    timeout_s: float
    needs: frozenset[str]                    # facts it can't do without


@dataclass(frozen=True, slots=True)
class Answer:
    """What we say to the sender of a notice."""
    status: int
    kind: str | None
    body: Callable[[Scope], Any]


@dataclass(frozen=True, slots=True)
class Event:
    """One kind of incoming notice."""
    name: str
    body_kind: str
    split: tuple[tuple[str, ...], tuple[str, ...]] | None
    checks: tuple[Check, ...]
    open: Callable[[Any, Scope], Any]
    when: Judge | None                       # others of the same address are acknowledged and dropped
    take: Take
    match: Mapping[str, Template]
    once_by: tuple[templates.Hole, ...]
    answers: Mapping[str, Answer]            # success | failure | duplicate


@dataclass(frozen=True, slots=True)
class Auth:
    """A token fetched by an operation of its own and put into every request until it runs out."""
    plan: RequestPlan
    token: tuple[str, ...]
    lasts: tuple[str, ...] | float           # path to its seconds, or the seconds
    renew_when: Judge | None
    kept: Kept


@dataclass(frozen=True, slots=True)
class Channel:
    id: str
    role: str
    setting: Setting
    constants: Mapping[str, str]
    box: SecretBox
    operations: Mapping[str, Operation]
    events: Mapping[str, Event]
    auth: Auth | None
    tls: Mapping[str, str]                   # ca, certificate: names of secrets kept as files

    def scope(self, facts: Mapping[str, Any] = EMPTY, now_ms: int | None = None, nonce: str = "") -> Scope:
        names = {"timestamp": clock.now_ms() if now_ms is None else now_ms, "nonce": nonce}
        return Scope(self.setting, self.box, self.constants, facts, names)


def check_channel(doc: Mapping[str, Any]) -> list[tuple[Path, str]]:
    """What is wrong with a document beyond its schema: (path into the document, sentence), [] when it is right."""
    draft = draft_of(doc)
    _compile(draft, doc, _Nowhere())
    return draft.problems


def compile_channel(doc: Mapping[str, Any], secrets: SecretSource) -> Channel:
    """WireError names every problem. Secrets are read when they are first used, not here."""
    draft = draft_of(doc)
    channel = _compile(draft, doc, secrets)
    raise_problems(draft, doc.get("id", "?"))
    return channel


def raise_problems(draft: Draft, what: str) -> None:
    if draft.problems:
        listed = "; ".join(f"{'.'.join(map(str, path))}: {message}" for path, message in draft.problems)
        raise WireError(f"{what}: {listed}")


class _Nowhere:
    def read(self, name: str, reference: Mapping[str, str]) -> str:
        raise WireError(f"the secret {name!r} is not read while checking")


def draft_of(doc: Mapping[str, Any]) -> Draft:
    return Draft(doc.get("constants", {}), doc.get("secrets", {}))


def _compile(draft: Draft, doc: Mapping[str, Any], secrets: SecretSource) -> Channel:
    _check_names(draft, doc)
    work = _Compiler(draft, doc)
    return Channel(
        id=doc.get("id", ""), role=doc.get("role", ""),
        setting=Setting(doc.get("currency", "CNY"), _zone(draft, doc)),
        constants={k: str(v) for k, v in doc.get("constants", {}).items()},
        box=SecretBox(doc.get("secrets", {}), secrets),
        operations={name: work.operation(name, spec) for name, spec in doc.get("operations", {}).items()},
        events={name: work.event(name, spec) for name, spec in doc.get("notices", {}).items()},
        auth=work.auth(doc.get("auth")), tls=_tls(draft, doc))


def _check_names(draft: Draft, doc: Mapping[str, Any]) -> None:
    taken = set(BUILTINS) if "auth" in doc else set(BUILTINS) - {"token"}
    for part in ("constants", "secrets"):
        for name in doc.get(part, {}):
            if name in taken:
                draft.problem((part, name), f"{name!r} is a built-in name: choose another")
            elif part == "constants" and name in draft.secrets:
                draft.problem((part, name), f"{name!r} is also a secret")


def _zone(draft: Draft, doc: Mapping[str, Any]) -> str:
    name = doc.get("zone") or settings.timezone()
    try:
        clock.zone(name)
    except (KeyError, ValueError, OSError):      # what ZoneInfo raises for a name there isn't, or that is no name
        draft.problem(("zone",), f"there is no zone {name!r}; write a name such as Asia/Shanghai")
        return "UTC"
    return name


def _tls(draft: Draft, doc: Mapping[str, Any]) -> Mapping[str, str]:
    named = doc.get("tls", {})
    files = {}
    for part, name in named.items():
        reference = draft.secrets.get(name)
        if reference is None or "file" not in reference:
            draft.problem(("tls", part), f"{name!r} is not a secret kept in a file")
        else:
            files[part] = reference["file"]
    return files


class _Compiler:
    """Compiles the blocks of one document; defaults of the channel stand behind those of an operation or a notice."""

    def __init__(self, draft: Draft, doc: Mapping[str, Any]):
        self.draft, self.doc = draft, doc
        self.token = frozenset({"token"}) if "auth" in doc else frozenset()

    def operation(self, name: str, spec: Mapping[str, Any]) -> Operation:
        draft, path = self.draft, ("operations", name)
        if name not in OPERATIONS:
            draft.problem(path, f"there is no operation {name!r}: {', '.join(OPERATIONS)}")
        draft.needed = set()
        plan = self._plan(spec, path, self._signer(spec, path))
        sends = any(word in spec for word in METHODS)
        client = self._client(spec["client"], (*path, "client")) if "client" in spec else None
        if not sends and client is None:
            draft.problem(path, "it neither calls the channel nor gives the client anything")
        needs = frozenset(name for name in draft.needed if not name.startswith(OPEN_FACTS))
        verify = spec.get("verify", self.doc.get("verify")) if sends else None
        rules = mapping.compile_rules(draft, spec.get("judge"), (*path, "judge"))
        common = mapping.compile_rules(draft, self.doc.get("judge"), ("judge",)) if sends else ()
        take = mapping.compile_take(draft, {**self.doc.get("take", {}), **spec.get("take", {})}, (*path, "take"))
        self._check_judged(spec, take, rules + common, sends, path)
        return Operation(
            name=name, sends=sends, plan=plan, answer_kind=spec.get("answer", self.doc.get("answers", "json")),
            checks=self._checks(verify, spec, path, templates.VERIFY), unsigned_when=self._unsigned(verify, path),
            open=opening.compile_open(draft, spec.get("open"), (*path, "open")), rules=rules + common, take=take,
            match=self._match(spec, templates.EXPECT, path), client=client, timeout_s=self._timeout(spec, path),
            needs=needs)

    def _check_judged(self, spec: Mapping[str, Any], take: Take, rules: tuple[Rule, ...], sends: bool, path: Path
                      ) -> None:
        takes_state = any(field.kind == "state" for field in take.fields)
        if any(rule.then == mapping.STATE_AS_TAKEN for rule in rules) and sends and not takes_state \
                and mapping.STATE_AS_TAKEN in [line.get("then") for line in spec.get("judge", ())]:
            self.draft.problem((*path, "judge"), "`as_taken` needs `take: {state: …}`")
        if sends and not rules:
            self.draft.problem(path, "no `judge:` says what its answers mean")

    def _timeout(self, spec: Mapping[str, Any], path: Path) -> float:
        text = spec.get("timeout", self.doc.get("timeout"))
        if text is None:
            return float(settings.get_int("CALL_TIMEOUT_S"))
        try:
            return clock.parse_duration_s(text)
        except ValueError as error:
            self.draft.problem((*path, "timeout"), str(error))
            return 1.0

    # --- requests

    def _signer(self, spec: Mapping[str, Any], path: Path) -> Signer | None:
        asks = any(word in spec for word in (*METHODS, "link", *BODIES))
        block = spec.get("sign", self.doc.get("sign") if asks else None)
        if block in (None, "none"):
            return None
        where = (*path, "sign") if "sign" in spec else ("sign",)
        return signing.compile_signer(self.draft, block, templates.SIGN, templates.PLACE, where)

    def _plan(self, spec: Mapping[str, Any], path: Path, signer: Signer | None, auth: bool = False) -> RequestPlan:
        draft = self.draft
        lines = [word for word in (*METHODS, "link") if word in spec]
        bodies = [word for word in BODIES if word in spec]
        if len(lines) > 1 or len(bodies) > 1:
            draft.problem(path, f"one of {' and '.join(lines if len(lines) > 1 else bodies)} is enough")
        body = bodies[0] if bodies else None
        line = lines[0] if lines else None
        if line and "?" in spec[line]:
            draft.problem((*path, line), "write the query under `query:`")
        if line and not str(spec[line]).startswith("/"):
            draft.problem((*path, line), "a path begins with /")
        if body and line in ("get", "link"):
            draft.problem((*path, body), f"a {line} request has no body")
        if line and "base" not in self.doc:
            draft.problem(("base",), "the channel's address is missing")
        self._check_places(signer, body, line, path)
        common = {} if auth else self.doc.get("headers", {})
        return RequestPlan(
            method="GET" if line == "link" else (line or "").upper(),
            base=draft.template(self.doc.get("base", ""), templates.BUILD, ("base",)),
            path=draft.template(spec[line], templates.BUILD, (*path, line)) if line else None,
            query=draft.tree(spec.get("query", {}), templates.BUILD, (*path, "query")),
            headers=self._headers({**common, **spec.get("headers", {})}, self._basic(spec, path), path),
            body_kind=body,
            body=draft.tree(spec[body], templates.BUILD, (*path, body)) if body else (lambda scope: None),
            content_type=spec.get("content_type", ""), signer=signer,
            extra_headers=draft.tree({} if auth else self.doc.get("auth", {}).get("header", {}), templates.TOKEN,
                                     ("auth", "header")))

    def _check_places(self, signer: Signer | None, body: str | None, line: str | None, path: Path) -> None:
        if signer is None:
            return
        if "body" in signer.places and body in (None, "text"):
            self.draft.problem(path, "the signature is placed in the body, and this request has no fields there")
        if "client" in signer.places:
            self.draft.problem(path, "only the `sign:` of `client:` places a signature there")
        if signer.canonical.pairs and signer.canonical.pairs.source == "body" and body in (None, "text"):
            self.draft.problem(path, "the signature covers the body's fields, and this request has none")

    def _basic(self, spec: Mapping[str, Any], path: Path) -> Template | None:
        basic = spec.get("basic", self.doc.get("basic"))
        if basic is None:
            return None
        return self.draft.template(f"{basic['user']}:{basic['password']}", templates.BUILD, (*path, "basic"))

    def _headers(self, spec: Mapping[str, Any], basic: Template | None, path: Path) -> Callable[[Scope], Any]:
        tree = self.draft.tree(spec, templates.BUILD, (*path, "headers"))
        if basic is None:
            return tree

        def with_basic(scope: Scope) -> Any:
            filled = tree(scope)
            word = casts.cast_named("base64").write(basic.text(scope), scope.setting)
            return {**({} if filled is templates.ABSENT else filled), "authorization": f"Basic {word}"}
        return with_basic

    def _client(self, spec: Mapping[str, Any], path: Path) -> Client | None:
        draft = self.draft
        kinds = [word for word in CLIENTS if word in spec]
        if len(kinds) != 1:
            draft.problem(path, f"write one of {', '.join(CLIENTS)}")
            return None
        kind = kinds[0]
        signer = None
        if "sign" in spec:
            signer = signing.compile_signer(draft, spec["sign"], templates.CLIENT_SIGN, templates.PLACE,
                                            (*path, "sign"))
            if kind != "params" or set(signer.places) != {"client"}:
                draft.problem((*path, "sign"), "a client's signature is placed under `client:`, among `params:`")
        return Client(kind, draft.tree(spec[kind], templates.CLIENT, (*path, kind)), signer)

    # --- answers and notices

    def _checks(self, verify: Any, spec: Mapping[str, Any], path: Path, allowed: frozenset[str]) -> tuple[Check, ...]:
        if verify in (None, "none"):
            return ()
        where = (*path, "verify") if "verify" in spec else ("verify",)
        return signing.compile_checks(self.draft, verify, allowed, where)

    def _unsigned(self, verify: Any, path: Path) -> Judge | None:
        if not isinstance(verify, Mapping) or "unsigned_when" not in verify:
            return None
        return mapping.compile_condition(self.draft, verify["unsigned_when"], (*path, "verify", "unsigned_when"))

    def _match(self, spec: Mapping[str, Any], allowed: frozenset[str], path: Path) -> Mapping[str, Template]:
        common = mapping.compile_match(self.draft, self.doc.get("match", {}), allowed, ("match",))
        return {**common, **mapping.compile_match(self.draft, spec.get("match", {}), allowed, (*path, "match"))}

    def event(self, name: str, spec: Mapping[str, Any]) -> Event:
        draft, path = self.draft, ("notices", name)
        verify = spec.get("verify", self.doc.get("verify"))
        if verify in (None, "none"):
            draft.problem(path, "a notice must be verified: write `verify:`")
        if isinstance(verify, Mapping) and "unsigned_when" in verify and "verify" in spec:
            draft.problem((*path, "verify", "unsigned_when"), "a notice is never believed unsigned")
        take = mapping.compile_take(draft, spec.get("take", {}), (*path, "take"))
        match = self._match(spec, frozenset(), path)
        for field in set(match) - {f.name for f in take.fields}:
            draft.problem((*path, "take"), f"{field!r} must match, so it must be taken")
        once = spec.get("once_by", [])
        names = [once] if isinstance(once, str) else list(once)
        if not names:
            draft.problem((*path, "once_by"), "say what names an event, so that a repeated delivery is known")
        split = (paths.split(spec["split"]), paths.split(spec.get("each", ""))) if "split" in spec else None
        return Event(
            name=name, body_kind=spec.get("body", "json"), split=split,
            checks=self._checks(verify, spec, path, templates.VERIFY),
            open=opening.compile_open(draft, spec.get("open"), (*path, "open")),
            when=mapping.compile_condition(draft, spec["when"], (*path, "when")) if "when" in spec else None,
            take=take, match=match,
            once_by=tuple(draft.name(n, templates.NOTICE, (*path, "once_by")) for n in names),
            answers=self._answers(spec.get("answer", {}), (*path, "answer")))

    def _answers(self, spec: Mapping[str, Any], path: Path) -> Mapping[str, Answer]:
        made = {}
        for verdict, line in spec.items():
            kinds = [word for word in BODIES if word in line]
            kind = kinds[0] if kinds else None
            body = self.draft.tree(line[kind], templates.ACK, (*path, verdict, kind)) if kind else (lambda scope: "")
            made[verdict] = Answer(line.get("status", 200), kind, body)
        for verdict in ("success", "failure"):
            if verdict not in made:
                self.draft.problem(path, f"say what we answer on {verdict}")
        return {"duplicate": made.get("success"), **made}

    def auth(self, spec: Mapping[str, Any] | None) -> Auth | None:
        if spec is None:
            return None
        path: Path = ("auth",)
        plan = self._plan(spec, path, None, auth=True)
        lasts = spec.get("lasts", "5m")
        try:
            lasts = clock.parse_duration_s(lasts)
        except ValueError:
            lasts = paths.split(lasts)
        renew = mapping.compile_condition(self.draft, spec["renew_when"], (*path, "renew_when")) \
            if "renew_when" in spec else None
        return Auth(plan, paths.split(spec.get("token", "")), lasts, renew, Kept())


def read_message(request: IncomingRequest, kind: str, needed: bool = True) -> Message:
    """An incoming request as a Message, its body decoded. NoticeRejected("unreadable") when it is not what `kind` says.

    With `needed` False a body that can't be decoded is left undecoded: the signature may cover the raw bytes alone.
    """
    headers = {name.lower(): value for name, value in request.headers.items()}
    message = Message(request.method.upper(), headers.get("host", ""), request.path, dict(request.query),
                      request.query_text, headers, request.body)
    try:
        message.tree = codecs.read_body(kind, request.body)
    except Unreadable as error:
        if needed:
            raise NoticeRejected(str(error), "unreadable") from None
    return message
