# SPDX-License-Identifier: LGPL-2.1-or-later
"""Draws charts as SVG, with nothing but the standard library: small panels beside each other, logarithmic axes."""

import math
from xml.sax.saxutils import escape

PANEL_WIDTH, PANEL_HEIGHT = 330, 250
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 46, 44
COLOURS = ["#1f6fb2", "#d1603d", "#3d8f5f", "#7a5ba8", "#8a8a8a"]
STYLE = ("<style>text{font:12px sans-serif;fill:#333}.title{font-weight:bold}.grid{stroke:#ddd;stroke-width:1}"
         ".axis{stroke:#888;stroke-width:1;fill:none}.small{font-size:11px}</style>")


def short(value):
    """A number as a label: 10k, 2.5M."""
    for limit, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            return f"{value / limit:.3g}{suffix}"
    return f"{value:.3g}"


def ticks(low, high):
    """Powers of ten within the axis; between them 2 and 5 where there would be less than two."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    tens = [10.0**decade for decade in decades if low <= 10.0**decade <= high]
    if len(tens) >= 2:
        return tens[::max(1, len(tens) // 5)]
    return [step * 10.0**decade for decade in decades for step in (1, 2, 5) if low <= step * 10.0**decade <= high]


class Axis:
    """From values to positions, logarithmic."""

    def __init__(self, values, start, end):
        low, high = min(values), max(values)
        if high / low < 4:  # what hardly changes is to look so
            low, high = low / 2, high * 2
        self.low, self.high = low / 1.1, high * 1.1
        self.start, self.end = start, end

    def at(self, value):
        part = (math.log10(value) - math.log10(self.low)) / (math.log10(self.high) - math.log10(self.low))
        return self.start + part * (self.end - self.start)


def panel(left, title, x_label, lines):
    """One chart. lines: name -> [(x, y)], all positive."""
    x = Axis([p[0] for points in lines.values() for p in points], left + LEFT, left + PANEL_WIDTH - RIGHT)
    y = Axis([p[1] for points in lines.values() for p in points], PANEL_HEIGHT - BOTTOM, TOP)
    out = [f'<text class="title" x="{left + LEFT}" y="18">{escape(title)}</text>']
    for value in ticks(y.low, y.high):
        out.append(f'<line class="grid" x1="{x.start}" x2="{x.end}" y1="{y.at(value):.1f}" y2="{y.at(value):.1f}"/>')
        out.append(f'<text class="small" text-anchor="end" x="{x.start - 6}" y="{y.at(value) + 4:.1f}">'
                   f'{short(value)}</text>')
    for value in ticks(x.low, x.high):
        out.append(f'<line class="grid" x1="{x.at(value):.1f}" x2="{x.at(value):.1f}" y1="{y.start}" y2="{y.end}"/>')
        out.append(f'<text class="small" text-anchor="middle" x="{x.at(value):.1f}" y="{y.start + 16}">'
                   f'{short(value)}</text>')
    out.append(f'<path class="axis" d="M{x.start} {y.end}V{y.start}H{x.end}"/>')
    out.append(f'<text class="small" text-anchor="middle" x="{(x.start + x.end) / 2}" y="{y.start + 34}">'
               f'{escape(x_label)}</text>')
    legend = x.start
    for number, (name, points) in enumerate(lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(f"{x.at(a):.1f},{y.at(b):.1f}" for a, b in sorted(points))
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [f'<circle cx="{x.at(a):.1f}" cy="{y.at(b):.1f}" r="3" fill="{colour}"/>' for a, b in points]
        out.append(f'<text class="small" style="fill:{colour}" x="{legend}" y="36">{escape(name)}</text>')
        legend += 14 + 6.5 * len(name)
    return out


def chart(x_label, panels):
    """panels: [(title, {name: [(x, y)]})]; empty lines and panels are left out."""
    panels = [(title, {name: points for name, points in lines.items() if points}) for title, lines in panels]
    panels = [(title, lines) for title, lines in panels if lines]
    width = PANEL_WIDTH * len(panels)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{PANEL_HEIGHT}" '
           f'viewBox="0 0 {width} {PANEL_HEIGHT}">', STYLE,
           f'<rect width="{width}" height="{PANEL_HEIGHT}" fill="#fff"/>']
    for number, (title, lines) in enumerate(panels):
        out += panel(number * PANEL_WIDTH, title, x_label, lines)
    return "\n".join(out + ["</svg>"]) + "\n"
