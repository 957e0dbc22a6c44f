"""What the rounds come to: medians, ratios, the table, the JSON, the charts.

A ratio is the median of the ratios of each round, not a ratio of medians: within a round the two
ran within seconds of each other, and the machine may have been slower a round later.

SPDX-License-Identifier: MIT
"""
import json
import platform
from statistics import median

from chart import chart, short
from measures import APART, GROUPS, MEASURES, NOTES


def ratio(above, below):
    """Of two lists with a value (or None) a round."""
    pairs = [a / b for a, b in zip(above, below) if a is not None and b]
    return median(pairs) if pairs else None


class Row:
    """One measure: 'values' maps each program to its values, one a round."""

    def __init__(self, measure, values, peers):
        self.measure = measure
        self.values = {name: v for name, v in values.items() if any(x is not None for x in v)}
        self.medians = {name: median(x for x in v if x is not None)
                        for name, v in self.values.items()}
        ours, floor = self.values.get("ours"), self.values.get("floor")
        there = [p for p in peers if p in self.medians and (p, measure.id) not in APART]
        self.best = min(there, key=self.medians.get, default=None)
        second = self.values.get("ours, io_uring")
        self.to_floor = ratio(ours, floor) if ours and floor else None
        self.second_to_floor = ratio(second, floor) if second and floor else None
        self.to_peer = ratio(self.values[self.best], ours) if ours and self.best else None

    @property
    def met(self):
        """True, False, or None: no goal, or nothing to say."""
        m, ours = self.measure, self.medians.get("ours")
        if ours is None:
            return None
        verdicts = []
        if m.floor and self.to_floor:
            verdicts.append(self.to_floor <= m.floor)
        if m.floor and m.both and self.second_to_floor:
            verdicts.append(self.second_to_floor <= m.floor)
        if m.peer and self.to_peer:
            verdicts.append(self.to_peer >= m.peer)
        if m.most:
            verdicts.append(ours <= m.most)
        return all(verdicts) if verdicts else None


def cells(row, programs):
    def times(value, name=None):
        if value is None:
            return "-"
        return f"{value:.2f}" + (f" {name}" if name else "")

    m = row.measure
    return ([f"{m.id}" + (f", {m.unit}" if m.unit else "")] +
            [short(row.medians[p]) if p in row.medians else "-" for p in programs] +
            [" / ".join([times(row.to_floor)] + [times(r) for r in [row.second_to_floor] if r]),
             times(row.to_peer, row.best), m.goal or "-",
             {True: "yes", False: "NO", None: "-"}[row.met]])


def table(rows, programs):
    """A table a group, with those who have figures there: not everybody has everything."""
    parts = []
    for group, title in GROUPS.items():
        of_group = [row for row in rows if row.measure.group == group]
        there = [p for p in programs if any(p in row.medians for row in of_group)]
        if of_group:
            parts.append(title + "\n" + part(of_group, there))
    return "\n\n".join(parts)


def part(rows, programs):
    lines = [["measure", *programs, "ours/floor", "best peer/ours", "goal", "met"]]
    lines += [cells(row, programs) for row in rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    left = {0, len(widths) - 1, len(widths) - 2, len(widths) - 3}
    text = []
    for line in lines:
        text.append("  ".join(c.ljust(w) if i in left else c.rjust(w)
                              for i, (c, w) in enumerate(zip(line, widths))).rstrip())
    text.insert(1, "-" * max(map(len, text)))
    return "\n".join(text)


def remarks(rows):
    judged = [row.met for row in rows if row.met is not None]
    text = f"{sum(judged)} of {len(judged)} goals met.\n" if judged else ""
    text += ("Medians of ns of CPU per operation unless it says otherwise; ratios are medians of "
             "the ratios of each round (ours/floor: on epoll / on io_uring).\n"
             "Differences under 1.3x are not differences.\n")
    measured = {(program, row.measure.id) for row in rows for program in row.medians}
    said = [f"  {program}, {measure}: {what}" +
            ("; shown, not compared\n" if (program, measure) in APART else "\n")
            for (program, measure), what in NOTES.items() if (program, measure) in measured]
    return text + ("Not quite the same:\n" + "".join(said) if said else "")


def machine():
    model = ""
    try:
        with open("/proc/cpuinfo") as f:
            model = next((x.split(":")[1].strip() for x in f if x.startswith("model name")), "")
    except OSError:
        pass
    return {"processor": model or platform.machine(), "system": platform.platform()}


def write_json(path, rows, skipped, rounds):
    measures = {}
    for row in rows:
        measures[row.measure.id] = {
            "text": row.measure.text, "unit": row.measure.unit, "median": row.medians,
            "rounds": row.values, "ours/floor": row.to_floor,
            "ours on io_uring/floor": row.second_to_floor, "best peer": row.best,
            "best peer/ours": row.to_peer, "goal": row.measure.goal, "met": row.met}
    content = {"machine": machine(), "rounds": rounds, "measures": measures, "skipped": skipped}
    path.write_text(json.dumps(content, indent=1) + "\n")


def write_charts(folder, rows, colors):
    for group, title in GROUPS.items():
        blocks = []
        for row in rows:
            if row.measure.group == group and row.medians:
                unit = {"ns": "ns of CPU"}.get(row.measure.unit, row.measure.unit)
                heading = row.measure.text + (f" ({unit})" if unit else "")
                blocks.append((heading, [(p, row.medians[p], colors[p])
                                         for p in colors if row.medians.get(p, 0) > 0]))
        if blocks:
            text = chart(title + " - lower is better, logarithmic", blocks)
            (folder / f"bench-{group}.svg").write_text(text)


def in_order(rows):
    place = {m.id: i for i, m in enumerate(MEASURES)}
    return sorted(rows, key=lambda row: place[row.measure.id])
