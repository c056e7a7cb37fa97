"""Markdown tables, and what is said of goals below them."""

import os
import sys


def head(title, *notes):
    print(f"\n## {title}\n", flush=True)
    for note in notes:
        print(note + "\n", flush=True)


def columns(*names):
    row(*names)
    row(*("---" for _ in names))


def progress(text):
    """What goes on now, for somebody who watches; the next line takes its place."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="\r", file=sys.stderr, flush=True)


def row(*cells):
    progress("")
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def percent(value):
    return f"{100 * value:+.2f} %" if abs(value) < 0.01 else f"{100 * value:+.1f} %"


def load():
    return os.getloadavg()[0]


def loads(values):
    """The machine's load over several runs."""
    low, high = min(values), max(values)
    return f"{low:.1f}" if high - low < 0.05 else f"{low:.1f}-{high:.1f}"


class Goals:
    """Collects what was reached, and says it when the table has ended, so that no line breaks it."""

    def __init__(self):
        self.lines, self.missed = [], 0

    def at_most(self, what, value, bound, form="{:.2f}"):
        said = "never" if value is None else form.format(value)
        self.judge(what, value is not None and value <= bound, said, "≤ " + form.format(bound))

    def between(self, what, low, high, least, most, form=percent):
        self.judge(what, low >= least and high <= most, f"{form(low)} … {form(high)}", f"{form(least)} … {form(most)}")

    def judge(self, what, met, value, bound):
        self.missed += not met
        self.lines.append(f"- {what}: {value} (goal {bound}): {'met' if met else 'MISSED'}")

    def note(self, text):
        self.lines.append(f"- {text}")

    def say(self):
        print(flush=True)
        for line in self.lines:
            print(line, flush=True)
        self.lines = []
