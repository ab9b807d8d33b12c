"""Bars of a day: orders placed in each hour, the paid ones in front."""
from __future__ import annotations

from typing import Sequence

from flask_babel import gettext as _
from markupsafe import Markup

_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 760, 170, 34, 10, 24


def _top_of(most: int) -> int:
    """A round number at or above the largest bar: 1, 2, 5, 10, 20, 50 …"""
    size = 1
    while True:
        for step in (1, 2, 5):
            if step * size >= most:
                return step * size
        size *= 10


def hours(values: Sequence[dict[str, int]], now_hour: int) -> Markup:
    """An SVG of 24 bars. `values`: {placed, paid} by hour; hours after `now_hour` are still to come."""
    top = _top_of(max((v["placed"] for v in values), default=0) or 1)
    plot, slot = _HEIGHT - _TOP - _BOTTOM, (_WIDTH - _LEFT) / len(values)
    parts = [Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(
        _WIDTH, _HEIGHT, _("Orders of today by hour"))]
    for mark in sorted({0, top // 2, top}):
        y = _TOP + plot * (1 - mark / top)
        parts.append(Markup('<line x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}" class="grid"/>').format(_LEFT, _WIDTH, y, y))
        parts.append(Markup('<text x="{}" y="{:.1f}" class="scale">{}</text>').format(_LEFT - 6, y + 3.5, mark))
    for hour, value in enumerate(values):
        x, wide = _LEFT + hour * slot, slot * 0.7
        said = _("%(hour)s:00 · %(placed)s placed, %(paid)s paid", hour=hour, placed=value["placed"], paid=value["paid"])
        parts.append(Markup('<g><title>{}</title><rect x="{:.1f}" y="{}" width="{:.1f}" height="{}" class="slot{}"/>').format(
            said, x, _TOP, slot, plot, " slot-now" if hour == now_hour else ""))
        for name in ("placed", "paid"):
            tall = plot * value[name] / top
            if tall:
                parts.append(Markup('<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" class="bar bar-{}"/>').format(
                    x + (slot - wide) / 2, _TOP + plot - tall, wide, tall, name))
        parts.append(Markup("</g>"))
        if hour % 3 == 0:
            parts.append(Markup('<text x="{:.1f}" y="{}" class="hour">{:02d}</text>').format(x + slot / 2, _HEIGHT - 7, hour))
    parts.append(Markup("</svg>"))
    return Markup("").join(parts)
