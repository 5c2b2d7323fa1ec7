"""Rows to text: the table, the ratios under it, the targets, and what could not be measured.

The one rule: text in, text out; nothing is computed here that is not also in the rows.
"""

from benches.records import divide, judge


def unique(values):
    """The values in the order of their first appearance."""
    return list(dict.fromkeys(values))


def format_value(value):
    """At most three or four digits that mean something: 69.2, 14388, 0.061."""
    if value is None:
        return "-"
    if isinstance(value, int) or abs(value) >= 1000:
        return str(round(value))
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}"


def format_columns(lines):
    """Align a list of rows of text: the first column to the left, the others to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    return "\n".join(format_line(cells, widths) for cells in lines)


def format_line(cells, widths):
    """One aligned line of format_columns."""
    padded = [cells[0].ljust(widths[0])]
    padded += [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
    return "  " + "  ".join(padded).rstrip()


def format_head(row):
    """A column's head; the unit is added where the metric's name does not end with it."""
    named = row.metric.lower().endswith("_" + row.unit.lower()) or row.metric.startswith("per_")
    return row.metric if named or not row.unit else f"{row.metric} {row.unit}"


def format_case(case, rows):
    """The table of one case: a line for each subject, a column for each metric."""
    rows = [row for row in rows if row.case == case]
    heads = {row.metric: format_head(row) for row in rows}
    values = {(row.subject, row.metric): row.value for row in rows}
    lines = [[case, *heads.values()]]
    for subject in unique(row.subject for row in rows):
        lines.append([subject, *(format_value(values.get((subject, m))) for m in heads)])
    return format_columns(lines)


def format_table(rows):
    """Every case's table, in the order in which the rows came."""
    return "\n\n".join(format_case(case, rows) for case in unique(row.case for row in rows))


def format_ratios(rows, peers, ours=(), metrics=()):
    """Each subject's figures divided by each peer's, or "" where there is nothing to divide."""
    subjects = ours or [name for name in unique(row.subject for row in rows) if name not in peers]
    lines = []
    for case in unique(row.case for row in rows):
        for metric in metrics or unique(row.metric for row in rows if row.case == case):
            for subject in subjects:
                ratios = [divide(rows, case, metric, subject, peer) for peer in peers]
                if any(ratio is not None for ratio in ratios):
                    lines.append([f"{case} {metric} {subject}", *map(format_value, ratios)])
    if not lines:
        return ""
    return format_columns([["ratio (times the peer's)", *(f"/ {p}" for p in peers)], *lines])


def format_target(target):
    """A target as a sentence: `inflight=1 p50_us: limpet / libmosquitto <= 2`."""
    subject = f"{target.subject} / {target.against}" if target.against else target.subject
    return f"{target.case} {target.metric}: {subject} {target.relation} {target.limit:g}"


def format_verdict(verdict):
    """The three columns of a verdict: the target, what was measured, met or not."""
    met = {None: "not measured", True: "met", False: "not met"}[verdict.met]
    return [format_target(verdict.target), format_value(verdict.measured), met]


def format_targets(targets, rows):
    """Every target with its verdict, or "" when the bench claims nothing."""
    lines = [format_verdict(judge(target, rows)) for target in targets]
    return format_columns([["target", "measured", "met"], *lines]) if lines else ""


def format_missing(missing):
    """What was not measured, with the reason of each."""
    lines = []
    for item in missing:
        where = f" ({item.case})" if item.case else ""
        lines.append(f"  {item.subject}{where}: {item.reason}")
    return "\n".join(["not measured", *lines]) if lines else ""


def format_subjects(subjects):
    """The names used in the table, each with what stands behind it."""
    return "\n".join(f"  {item.name}: {item.description}" for item in subjects)


def format_report(module, machine, items):
    """The whole of a bench's output from what it yielded, `items` sorted by kind."""
    rows, subjects, missing, notes = items
    peers, ours, metrics, targets = (
        getattr(module, name, ()) for name in ("PEERS", "OURS", "RATIO_METRICS", "TARGETS")
    )
    parts = [
        f"bench {module.NAME}\nmachine: {machine}\n{format_subjects(subjects)}",
        format_table(rows),
        format_ratios(rows, peers, ours, metrics),
        format_targets(targets, rows),
        format_missing(missing),
        "\n".join(note.text for note in notes),
    ]
    return "\n\n".join(part.rstrip() for part in parts if part.strip())
