"""What a bench yields, and what it claims.

The one rule: a figure leaves a bench as a Row and in no other form, so that the table, the ratios,
the targets and the JSON file all show the same number. Nothing here measures or prints.
"""

from typing import NamedTuple


class BenchError(Exception):
    """The bench cannot run at all; the text says why and what to do about it."""


class Row(NamedTuple):
    """One figure: `value` in `unit`, for one metric of one subject in one case of one bench."""

    bench: str
    case: str
    subject: str
    metric: str
    value: float
    unit: str


class Subject(NamedTuple):
    """What was measured under a name: versions, settings, whatever a reader needs to repeat it."""

    name: str
    description: str


class Missing(NamedTuple):
    """A subject that was not measured, and why; `case` is empty when it is absent everywhere."""

    subject: str
    reason: str
    case: str = ""


class Note(NamedTuple):
    """A sentence that a reader of the figures must have, printed under the table."""

    text: str


class Target(NamedTuple):
    """A claim: `subject`'s metric, divided by `against`'s when one is named, is within `limit`.

    `relation` is '<=' or '>='. A target is printed with what was measured; it fails nothing.
    """

    case: str
    subject: str
    metric: str
    relation: str
    limit: float
    against: str = ""


class Verdict(NamedTuple):
    """A target with what was measured: `measured` and `met` are None where figures are missing."""

    target: Target
    measured: float | None
    met: bool | None


def find_value(rows, case, subject, metric):
    """The value of that figure, or None when it was not measured."""
    for row in rows:
        if (row.case, row.subject, row.metric) == (case, subject, metric):
            return row.value
    return None


def divide(rows, case, metric, subject, against):
    """The ratio of two subjects' figures, or None when one is missing or the divisor is 0."""
    value = find_value(rows, case, subject, metric)
    base = find_value(rows, case, against, metric)
    return value / base if value is not None and base else None


def judge(target, rows):
    """Hold one target against the rows."""
    if target.against:
        measured = divide(rows, target.case, target.metric, target.subject, target.against)
    else:
        measured = find_value(rows, target.case, target.subject, target.metric)
    if measured is None:
        return Verdict(target, None, None)
    met = measured <= target.limit if target.relation == "<=" else measured >= target.limit
    return Verdict(target, measured, met)
