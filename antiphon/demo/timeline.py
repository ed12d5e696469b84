"""The picture of a conversation, as SVG: who spoke when, which words were heard, what was cut, what failed.

Where things stand is decided in `timeline_layout`; here they are drawn. Colours stand in one style sheet, twice: for
light surroundings and for dark ones. Nothing comes from outside.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET

from .lettering import picture_width
from .story import Story
from .timeline_layout import (
    BAR,
    EDGE,
    GAP,
    ICON,
    LEFT,
    LINE,
    SIDES,
    SMALL,
    WIDTH,
    Block,
    Layout,
    Mark,
    lay_out,
    lines_of,
    mark_width,
    rows_of,
)

__all__ = ["timeline_svg"]

STYLE = """
text { font-family: system-ui, "Segoe UI", Helvetica, Arial, sans-serif; font-size: 12.5px; fill: #1f2937; }
.paper { fill: #ffffff; }
.title { font-size: 17px; font-weight: 600; }
.quiet { fill: #6b7280; font-size: 11px; }
.side { font-weight: 600; text-anchor: end; }
.second { text-anchor: middle; }
.grid { stroke: #e5e7eb; stroke-width: 1; }
.track { fill: #f3f4f6; }
.halo { paint-order: stroke; stroke: #ffffff; stroke-width: 3px; stroke-linejoin: round; }
.caller { fill: #2563eb; }
.agent { fill: #0d9488; }
.notch { stroke: #ffffff; stroke-width: 1.2; stroke-opacity: 0.75; }
.unheard { fill: #6b7280; text-decoration: line-through; }
.cut { fill: url(#hatching); stroke: #9ca3af; stroke-width: 1; stroke-dasharray: 3 2; }
.hatch { stroke: #9ca3af; stroke-width: 1.6; }
.chip { fill: #ffffff; }
.mark { font-size: 11px; font-weight: 600; }
.left { text-anchor: end; }
.line, .icon { fill: none; stroke-linecap: round; stroke-linejoin: round; }
.icon { stroke-width: 1.8; }
.line { stroke-width: 1.4; }
.line.failure, .line.restart, .line.pause, .line.resume, .line.call, .line.result { stroke-width: 1.1; stroke-dasharray: 1.5 3.5; }
.line.turn, .line.over, .line.words, .line.written { stroke-width: 1.1; stroke-dasharray: 1.5 3.5; }
text.interruption { fill: #b45309; } .line.interruption, .icon.interruption { stroke: #d97706; }
text.pause, text.resume { fill: #475569; } .line.pause, .icon.pause, .line.resume, .icon.resume { stroke: #64748b; }
text.call, text.result { fill: #9d174d; } .line.call, .icon.call, .line.result, .icon.result { stroke: #db2777; }
text.turn, text.over { fill: #1d4ed8; } .line.turn, .icon.turn, .line.over, .icon.over { stroke: #3b82f6; }
text.words { fill: #475569; } .line.words, .icon.words { stroke: #64748b; }
text.written { fill: #3f6212; } .line.written, .icon.written { stroke: #65a30d; }
text.failure { fill: #b91c1c; } .line.failure, .icon.failure { stroke: #dc2626; }
text.restart { fill: #6d28d9; } .line.restart, .icon.restart { stroke: #7c3aed; }
@media (prefers-color-scheme: dark) {
text { fill: #e5e7eb; }
.paper, .chip { fill: #0d1117; }
.quiet { fill: #9ca3af; }
.grid { stroke: #21262d; }
.track { fill: #161b22; }
.halo, .notch { stroke: #0d1117; }
.caller { fill: #60a5fa; }
.agent { fill: #2dd4bf; }
.unheard { fill: #9ca3af; }
.cut, .hatch { stroke: #6b7280; }
text.interruption { fill: #fbbf24; } .line.interruption, .icon.interruption { stroke: #f59e0b; }
text.pause, text.resume { fill: #cbd5e1; } .line.pause, .icon.pause, .line.resume, .icon.resume { stroke: #94a3b8; }
text.call, text.result { fill: #f9a8d4; } .line.call, .icon.call, .line.result, .icon.result { stroke: #f472b6; }
text.turn, text.over { fill: #93c5fd; } .line.turn, .icon.turn, .line.over, .icon.over { stroke: #60a5fa; }
text.words { fill: #cbd5e1; } .line.words, .icon.words { stroke: #94a3b8; }
text.written { fill: #bef264; } .line.written, .icon.written { stroke: #84cc16; }
text.failure { fill: #fca5a5; } .line.failure, .icon.failure { stroke: #f87171; }
text.restart { fill: #c4b5fd; } .line.restart, .icon.restart { stroke: #a78bfa; }
}
"""

ICONS = {
    "pause": "M-2 -5 V3 M2 -5 V3",
    "resume": "M-2.5 -5 L3.5 -1 L-2.5 3 Z",
    "call": "M-4 -1 H4 M0.5 -4.5 L4 -1 L0.5 2.5",
    "result": "M4 -1 H-4 M-0.5 -4.5 L-4 -1 L-0.5 2.5",
    "interruption": "M-4 -5 L4 -5 L0 3 Z",
    "failure": "M-3.5 -4.5 L3.5 2.5 M3.5 -4.5 L-3.5 2.5",
    "turn": "M2.5 -5 H-2.5 V3 H2.5",
    "over": "M-2.5 -5 H2.5 V3 H-2.5",
    "words": "M-4 -4 H4 M-4 -1 H4 M-4 2 H1",
    "written": "M-3.5 3 L-2.8 0 L2.5 -5.3 L4.3 -3.5 L-1 1.8 Z",
    "restart": "M3.6 -3.2 A4.2 4.2 0 1 0 4.2 0.4 M4.4 -6 L3.9 -2.8 L0.8 -3.4",
}
MEANINGS = {
    "pause": "the agent pauses",
    "resume": "goes on",
    "interruption": "the caller cut in",
    "call": "a function is called",
    "result": "and returns",
    "failure": "an actor failed",
    "restart": "an actor was restarted",
    "turn": "the caller's turn begins",
    "over": "and is over",
    "words": "words are recognised",
    "written": "a message is written",
}
UNHEARD = "unheard"


def timeline_svg(story: Story, title: str = "A conversation") -> str:
    """The conversation as a standalone SVG document, under this title. Raises `ValueError` when a time in it is no number of seconds."""
    _check(story)
    picture = ET.Element(
        "svg", {"xmlns": "http://www.w3.org/2000/svg", "role": "img", "aria-labelledby": "title about"}
    )
    _child(picture, "title", id="title").text = f"{title}: a timeline"
    _child(picture, "desc", id="about").text = _summary(story)
    _child(picture, "style").text = STYLE
    _draw_hatching(picture)
    paper = _child(picture, "rect", "paper", width=WIDTH)
    top = _draw_head(picture, story, title)
    for row in rows_of(story):
        top = _draw_row(picture, lay_out(story, row), top)
    picture.set("viewBox", f"0 0 {_number(WIDTH)} {_number(top)}")
    picture.set("width", _number(WIDTH))
    picture.set("height", _number(top))
    paper.set("height", _number(top))
    ET.indent(picture)
    return ET.tostring(picture, encoding="unicode") + "\n"


def _check(story: Story) -> None:
    times = [story.seconds, *(moment.time for moment in story.moments)]
    for speech in story.speeches:
        times += [speech.start, speech.end, *(word.start for word in speech.words)]
    for time in times:
        if not math.isfinite(time):
            raise ValueError(f"A time in the story is {time}. Give seconds since the conversation began.")


def _summary(story: Story) -> str:
    counts = [
        _counted(number, kind)
        for kind in ("pause", "interruption", "call", "failure", "restart")
        if (number := sum(moment.kind == kind for moment in story.moments))
    ]
    if not any(moment.kind == "turn" for moment in story.moments):
        counts.insert(0, _counted(len(story.speeches), "turn"))
    return ", ".join([f"{story.seconds:.1f} s", *counts])


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _draw_head(picture: ET.Element, story: Story, title: str) -> float:
    """Title and legend. Returns where the first row begins."""
    _text(picture, title, 24.0, 34.0, "title")
    _text(picture, _summary(story), 24.0 + picture_width(title, 17.0) * 1.1 + 8.0, 34.0, "quiet")
    entries: list[tuple[str, str]] = [(who, f"{who} speaks") for who in SIDES]
    if any(not word.was_heard for speech in story.speeches for word in speech.words):
        entries.append(("cut", "words that were cut"))
    entries += [(kind, told) for kind, told in MEANINGS.items() if any(moment.kind == kind for moment in story.moments)]
    x, y = 24.0, 62.0
    for kind, told in entries:
        width = (16.0 if kind in MEANINGS else 30.0) + _unheard_width(kind) + picture_width(told, SMALL) + 16.0
        if x + width > EDGE and x > 24.0:
            x, y = 24.0, y + LINE + 3.0
        _draw_entry(picture, kind, told, x, y)
        x += width
    return y + 16.0


def _draw_entry(picture: ET.Element, kind: str, told: str, x: float, y: float) -> None:
    """One entry of the legend: a bar or an icon, and what it stands for."""
    if kind in MEANINGS:
        _draw_icon(picture, kind, x + 5.0, y - 3.5)
        _text(picture, told, x + 16.0, y, "quiet")
        return
    _child(picture, "rect", kind, x=x, y=y - 10.0, width=24.0, height=11.0, rx=3.0)
    if kind == "cut":
        _text(picture, UNHEARD, x + 30.0, y, "quiet unheard")
    _text(picture, told, x + 30.0 + _unheard_width(kind), y, "quiet")


def _unheard_width(kind: str) -> float:
    """What the sample of a struck-out word takes, where there is one."""
    return picture_width(UNHEARD, SMALL) + 6.0 if kind == "cut" else 0.0


def _draw_row(picture: ET.Element, layout: Layout, top: float) -> float:
    """Draw the row from `top` on. Returns where the next begins."""
    group = _child(picture, "g", "row")
    marks_top = top + GAP
    lanes_top = marks_top + (LINE * lines_of([mark.label for mark in layout.marks]) if layout.marks else 0.0) + GAP
    lane_tops = [lanes_top]
    for lane in layout.lanes:
        lane_tops.append(lane_tops[-1] + BAR + LINE * lane.lines + 2 * GAP)
    bottom = lane_tops[-1]

    _draw_axis(group, layout, lanes_top, bottom)
    for lane, lane_top in zip(layout.lanes, lane_tops, strict=False):
        _child(group, "rect", "track", x=LEFT, y=lane_top, width=layout.end - LEFT, height=BAR, rx=3.0)
        _text(group, lane.who, LEFT - 16.0, lane_top + BAR - 2.5, f"side {lane.who}")
        for block in lane.cut:
            _draw_block(group, block, "cut", lane_top)
        for block in lane.spoken:
            _draw_block(group, block, lane.who, lane_top)
    # Lines over the bars, so that they tell whom they hit; words over the lines, so that they can be read.
    for mark in layout.marks:
        mark_bottom = marks_top + LINE * (mark.label.line + 1) - 3.0
        _child(group, "path", f"line {mark.moment.kind}", d=_path("M", mark.x, mark_bottom, "V", bottom))
    for lane, lane_top in zip(layout.lanes, lane_tops, strict=False):
        for text in (*lane.unheard, *lane.heard):
            y = lane_top + BAR + LINE * (text.line + 1)
            _about(group, text.about, "text", text.style, x=text.x, y=y).text = text.text
    for mark in layout.marks:
        _draw_mark(group, mark, marks_top)
    return bottom + 30.0


def _draw_axis(group: ET.Element, layout: Layout, top: float, bottom: float) -> None:
    row = layout.row
    for second in range(row.seconds + 1):
        time = row.start + second
        x = row.x(time)
        _child(group, "path", "grid", d=_path("M", x, top, "V", bottom))
        _text(group, f"{time:.0f}", x, bottom + 13.0, "quiet second")
    _text(group, "seconds", LEFT - 16.0, bottom + 13.0, "quiet side")


def _draw_block(group: ET.Element, block: Block, style: str, top: float) -> None:
    width = block.right - block.left
    _about(group, block.about, "rect", style, x=block.left, y=top, width=width, height=BAR, rx=3.0)
    for x in block.notches:
        _child(group, "path", "notch", d=_path("M", x, top, "v", BAR))


def _draw_mark(group: ET.Element, mark: Mark, top: float) -> None:
    label, kind = mark.label, mark.moment.kind
    y = top + LINE * label.line
    width = mark_width(label.text)
    _child(group, "rect", "chip", x=min(label.x, mark.x - ICON), y=y, width=width + 2 * ICON, height=LINE - 2.0)
    _draw_icon(group, kind, mark.x, y + LINE / 2)
    x = label.x + width if mark.is_left else label.x
    _about(group, label.about, "text", label.style, x=x, y=y + 12.0).text = label.text


def _draw_icon(group: ET.Element, kind: str, x: float, y: float) -> None:
    _child(group, "path", f"icon {kind}", d=ICONS[kind], transform=f"translate({_number(x)} {_number(y)})")


def _draw_hatching(picture: ET.Element) -> None:
    definitions = _child(picture, "defs")
    pattern = _child(definitions, "pattern", id="hatching", width=5.0, height=5.0, patternUnits="userSpaceOnUse")
    pattern.set("patternTransform", "rotate(45)")
    _child(pattern, "path", "hatch", d="M0 0 V5")


def _text(parent: ET.Element, text: str, x: float, y: float, style: str) -> None:
    _child(parent, "text", style, x=x, y=y).text = text


def _about(parent: ET.Element, about: str, tag: str, style: str, **attributes: str | float) -> ET.Element:
    """An element that tells more when it is pointed at. The title stands in a group, where a text keeps its spaces."""
    group = _child(parent, "g")
    _child(group, "title").text = about
    return _child(group, tag, style, **attributes)


def _child(parent: ET.Element, tag: str, style: str = "", **attributes: str | float) -> ET.Element:
    told = {name: value if isinstance(value, str) else _number(value) for name, value in attributes.items()}
    return ET.SubElement(parent, tag, {"class": style, **told} if style else told)


def _path(*parts: str | float) -> str:
    return " ".join(part if isinstance(part, str) else _number(part) for part in parts)


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
