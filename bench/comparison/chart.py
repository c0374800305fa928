# SPDX-License-Identifier: Apache-2.0
"""Small SVG charts that read on light and on dark pages. Lines of points with whiskers over a linear or logarithmic
scale; pure functions."""
import html
import math

STYLE = """
  svg { font: 13px system-ui, sans-serif; }
  .ink { fill: #1f2328; } .dim { fill: #59636e; } .grid { stroke: #d1d9e0; } .axis { stroke: #59636e; }
  .s0 { stroke: #0969da; fill: #0969da; } .s1 { stroke: #bc4c00; fill: #bc4c00; } .s2 { stroke: #59636e; fill: #59636e; }
  .s3 { stroke: #1a7f37; fill: #1a7f37; } .s4 { stroke: #8250df; fill: #8250df; } .s5 { stroke: #9a6700; fill: #9a6700; }
  text.s0, text.s1, text.s2, text.s3, text.s4, text.s5 { stroke: none; }
  .line { fill: none; stroke-width: 2; stroke-opacity: 0.45; } .line.dash { stroke-dasharray: 6 4; stroke-width: 1.5; stroke-opacity: 1; }
  @media (prefers-color-scheme: dark) {
    .ink { fill: #f0f6fc; } .dim { fill: #9198a1; } .grid { stroke: #3d444d; } .axis { stroke: #9198a1; }
    .s0 { stroke: #4493f8; fill: #4493f8; } .s1 { stroke: #f0883e; fill: #f0883e; } .s2 { stroke: #9198a1; fill: #9198a1; }
    .s3 { stroke: #3fb950; fill: #3fb950; } .s4 { stroke: #ab7df8; fill: #ab7df8; } .s5 { stroke: #d29922; fill: #d29922; }
    .line { fill: none; }
  }
"""
LEFT, RIGHT, TOP, BOTTOM = 64, 130, 56, 52


def nice_ticks(least, most, count=6):
    """Round numbers from at or below `least` to at or above `most`."""
    span = max(most - least, 1e-12)
    step = 10 ** math.floor(math.log10(span / count))
    step *= next(m for m in (1, 2, 5, 10) if span / (step * m) <= count)
    first, last = math.floor(least / step + 1e-9), math.ceil(most / step - 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def log_ticks(least, most):
    """Powers of ten (or of two, where these are few) that enclose both."""
    base = 10 if most / least > 1000 else 2
    first, last = math.floor(math.log(least, base) + 1e-9), math.ceil(math.log(most, base) - 1e-9)
    return [float(base) ** i for i in range(first, last + 1)]


class Axis:
    """A scale from values to pixels, with its ticks."""

    def __init__(self, values, begin, end, log=False, from_zero=False, ticks=None):
        least, most = min(values), max(values)
        self.ticks = ticks or (log_ticks(least, most) if log else nice_ticks(0 if from_zero else least, most))
        self.log, self.begin, self.end = log, begin, end
        self.low = min(least, self.ticks[0]) if ticks else self.ticks[0]
        self.high = max(most, self.ticks[-1]) if ticks else self.ticks[-1]

    def place(self, value):
        low, high, value = (math.log(x) if self.log else x for x in (self.low, self.high, value))
        return self.begin + (self.end - self.begin) * ((value - low) / ((high - low) or 1))


def spread_labels(places, least_distance):
    """Moves label places apart, keeping their order: [(place, …)] -> new places in the given order."""
    order = sorted(range(len(places)), key=lambda i: places[i])
    moved = list(places)
    for before, after in zip(order, order[1:]):
        moved[after] = max(moved[after], moved[before] + least_distance)
    return moved


def line_chart(title, subtitle, x_title, y_title, series, x_ticks=None, tick_text=str, log_x=False, log_y=False,
               width=720, height=400):
    """series: [{"name", "style": 0…5, "points": [(x, y)] or [(x, y, least, most)], "dashed": bool}]."""
    points = [p for s in series for p in s["points"]]
    x = Axis([p[0] for p in points], LEFT, width - RIGHT, log_x, ticks=x_ticks)
    y = Axis([v for p in points for v in p[1:]], height - BOTTOM, TOP, log_y, from_zero=not log_y)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
           f'aria-label="{html.escape(title, quote=True)}">', f"<style>{STYLE}</style>",
           f'<text class="ink" x="{LEFT - 48}" y="22" font-weight="600" font-size="15">{html.escape(title)}</text>',
           f'<text class="dim" x="{LEFT - 48}" y="40">{html.escape(subtitle)}</text>']
    for tick in y.ticks:
        at = y.place(tick)
        out.append(f'<line class="grid" x1="{LEFT}" y1="{at:.1f}" x2="{width - RIGHT}" y2="{at:.1f}"/>')
        out.append(f'<text class="dim" x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{tick:g}</text>')
    for tick in x.ticks:
        at = x.place(tick)
        out.append(f'<line class="axis" x1="{at:.1f}" y1="{height - BOTTOM}" x2="{at:.1f}" y2="{height - BOTTOM + 5}"/>')
        out.append(f'<text class="dim" x="{at:.1f}" y="{height - BOTTOM + 20}" text-anchor="middle">'
                   f"{html.escape(tick_text(tick))}</text>")
    out.append(f'<line class="axis" x1="{LEFT}" y1="{height - BOTTOM}" x2="{width - RIGHT}" y2="{height - BOTTOM}"/>')
    out.append(f'<text class="dim" x="{(LEFT + width - RIGHT) / 2}" y="{height - 12}" text-anchor="middle">'
               f"{html.escape(x_title)}</text>")
    middle = (TOP + height - BOTTOM) / 2
    out.append(f'<text class="dim" x="16" y="{middle}" text-anchor="middle" transform="rotate(-90 16 {middle})">'
               f"{html.escape(y_title)}</text>")
    drawn = [s for s in series if s["points"]]
    for s in drawn:
        path = " ".join(f"{x.place(p[0]):.1f},{y.place(p[1]):.1f}" for p in s["points"])
        dash = " dash" if s.get("dashed") else ""
        out.append(f'<polyline class="s{s["style"]} line{dash}" points="{path}" style="fill: none"/>')
        for p in [] if s.get("dashed") else s["points"]:
            if len(p) == 4 and p[3] > p[2]:
                out.append(f'<line class="s{s["style"]}" x1="{x.place(p[0]):.1f}" y1="{y.place(p[2]):.1f}" '
                           f'x2="{x.place(p[0]):.1f}" y2="{y.place(p[3]):.1f}" stroke-width="1.5"/>')
            out.append(f'<circle class="s{s["style"]}" cx="{x.place(p[0]):.1f}" cy="{y.place(p[1]):.1f}" r="3.5"/>')
    for s, at in zip(drawn, spread_labels([y.place(s["points"][-1][1]) for s in drawn], 16)):
        out.append(f'<text class="s{s["style"]}" x="{width - RIGHT + 10}" y="{at + 4:.1f}">{html.escape(s["name"])}</text>')
    return "\n".join(out) + "\n</svg>\n"


def budget_chart(result):
    """Tokens/s over the budget for both engines, with the limit line."""
    def line(key):
        return [(p["budget_bytes"] / 2**20, p[key]["spread"]["median"], p[key]["spread"]["min"], p[key]["spread"]["max"])
                for p in sorted(result["points"], key=lambda p: p["budget_bytes"]) if p[key].get("spread")]
    limit = [(budget / 2**20, rate) for budget, rate in result.get("limit_line", [])]
    series = [{"name": "limit", "style": 2, "points": limit, "dashed": True},
              {"name": "Sluice", "style": 0, "points": line("sluice")},
              {"name": "llama.cpp", "style": 1, "points": line("llama.cpp")}]
    rates = [p[1] for s in series for p in s["points"]]
    ticks = sorted({p["budget_bytes"] / 2**20 for p in result["points"]})
    return line_chart(f"{result['model']}: decoding inside a memory limit",
                      "cold caches, context 1024; limit: max(compute, streamed bytes / disk rate)",
                      "memory limit", "tokens/s", series, x_ticks=ticks,
                      tick_text=lambda m: f"{m / 1024:g} GiB" if m >= 1024 else f"{m:g} MiB",
                      log_y=bool(rates) and max(rates) > 8 * min(rates))
