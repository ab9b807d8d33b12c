"""Why something moved, in the reader's language. The engine writes causes down in English, with names and numbers in them; what
is known here is said again with the names' titles, what a channel or a person wrote stays as it is.
"""
from __future__ import annotations

import re
from typing import Callable

from flask_babel import lazy_gettext as _l

from . import catalogue, words
from .sentences import Sentences

# What a hole of the sentences below holds is shown by its title.
_TITLES: dict[str, Callable[[str], str]] = {
    "channel": catalogue.channel_title, "scene": catalogue.scene_title,
    "event": lambda name: words.word(words.NOTICE_EVENTS, name), "flow": lambda name: words.word(words.FLOWS, name)}
SENTENCES = Sentences((
    (r"scene (?P<scene>\S+)", _l("scene %(scene)s")),
    (r"order (?P<no>O\w+)", _l("order %(no)s")),
    (r"order (?P<no>O\w+), again", _l("order %(no)s, again")),
    (r"quote (?P<no>Q\w+)", _l("quote %(no)s")),
    (r"payment (?P<no>P\w+)", _l("payment %(no)s")),
    (r"pay by (?P<channel>\S+)", _l("pay by %(channel)s")),
    (r"pay by (?P<channel>\S+), of (?P<route>\S+)", _l("pay by %(channel)s, chosen by the route %(route)s")),
    (r"notice (?P<event>\S+) of (?P<channel>\S+)", _l("notice \"%(event)s\" of %(channel)s")),
    (r"(?P<event>charged|failed|returned|delivered) of order (?P<no>O\w+)", _l("to tell: %(event)s, order %(no)s")),
    (r"period (?P<n>\d+) of (?P<no>C\w+)", _l("period %(n)s of contract %(no)s")),
    (r"period (?P<n>\d+) is paid", _l("period %(n)s is paid")),
    (r"period (?P<n>\d+) could not be deducted", _l("period %(n)s could not be deducted")),
    (r"partner's (?P<no>.+)", _l("the partner's number %(no)s")),
    (r"partner's pool", _l("drawn from the partner's pool")),
    (r"closed by (?P<who>\S+)", _l("closed by %(who)s")),
    (r"ended by (?P<who>\S+)", _l("ended by %(who)s")),
    (r"taken by (?P<who>\S+)", _l("taken by %(who)s")),
    (r"done by (?P<who>\S+)", _l("done by %(who)s")),
    (r"(?P<flow>paid|charge|renew|fulfil) is done", _l("the flow \"%(flow)s\" is done")),
    *((re.escape(said), text) for said, text in {
        "closed by the seller": _l("closed by the seller"), "ended by the seller": _l("ended by the seller"),
        "order closed": _l("the order was closed"),
        "fulfilled": _l("everything is delivered"), "paid": _l("paid"), "delivered": _l("delivered"),
        "to be delivered": _l("to be delivered"), "acknowledged": _l("acknowledged"), "sent round again": _l("sent round again"),
        "asked the channel": _l("the channel was asked"), "channel answered": _l("the channel answered"),
        "channel took it": _l("the channel took it"), "sent to the channel": _l("sent to the channel"),
        "receipt": _l("the channel's receipt"), "supplier's answer": _l("the supplier's answer"),
        "tried again": _l("tried again"), "terminated": _l("ended on our side"), "order ends": _l("the order ends"),
        "paid elsewhere": _l("paid elsewhere"), "paid twice": _l("paid twice"), "quoted": _l("quoted"),
        "the channel took money twice": _l("the channel took the money twice"),
        "compensation": _l("undone with its flow"), "not paid in time": _l("not paid in time"),
        "its time is over": _l("its time is over"), "charge failed": _l("the charge failed"),
        "the grace is over": _l("the grace is over"), "refused": _l("refused"),
        "its order was not paid": _l("its order was not paid"), "never signed": _l("never signed"),
        "the contract is over": _l("the contract is over"),
        "the grace and the suspension are over": _l("the grace and the suspension are over"),
        "signed: now it is deducted": _l("signed: now it is deducted"),
        "ended at the channel": _l("ended at the channel"),
        "the channel never heard of it": _l("the channel never heard of it"),
        "the buyer is not registered yet": _l("the buyer is not registered yet"),
    }.items())), _TITLES)
said = SENTENCES.said
