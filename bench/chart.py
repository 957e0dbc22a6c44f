"""Bar charts as SVG: one a group, a block of bars a measure, on a logarithmic axis.

SPDX-License-Identifier: MIT
"""
import math
from html import escape

WIDTH, LABEL, VALUE, BAR, GAP, HEAD = 860, 150, 90, 15, 4, 26


def short(value):
    """Three digits, as people read them."""
    if value < 10:
        return f"{value:.2f}"
    if value < 10000:
        return f"{value:,.0f}"
    if value < 1e6:
        return f"{value / 1000:.0f}k"
    return f"{value / 1e6:.1f}M"


def scale(values):
    low = 10 ** math.floor(math.log10(min(values)) - 0.3)
    high = max(values)
    span = math.log10(high / low)
    return lambda value: math.log10(value / low) / span * (WIDTH - LABEL - VALUE)


def chart(title, blocks):
    """'blocks': (heading, [(name, value, color)]) each. Returns the text of the file."""
    length = scale([value for _, bars in blocks for _, value, _ in bars])
    parts, y = [], 34
    for heading, bars in blocks:
        y += HEAD
        parts.append(f'<text x="0" y="{y - 8}" class="h">{escape(heading)}</text>')
        for name, value, color in bars:
            middle = y + BAR - 4
            parts.append(
                f'<text x="{LABEL - 8}" y="{middle}" text-anchor="end">{escape(name)}</text>'
                f'<rect x="{LABEL}" y="{y}" width="{max(length(value), 1):.1f}" height="{BAR}" '
                f'fill="{color}"/>'
                f'<text x="{LABEL + length(value) + 6:.1f}" y="{middle}">{short(value)}</text>')
            y += BAR + GAP
    style = ("text{font:12px sans-serif;fill:#333}.h{font-weight:bold}"
             ".t{font-size:16px;font-weight:bold}")
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-10 0 {WIDTH + 20} {y + 12}">'
            f'<style>{style}</style><rect x="-10" width="100%" height="100%" fill="#fff"/>'
            f'<text x="0" y="22" class="t">{escape(title)}</text>' + "\n".join(parts) + "</svg>\n")
