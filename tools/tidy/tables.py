"""The tables that tidy reads: rooms, includes, banned words, exceptions."""

import fnmatch
import re
from dataclasses import dataclass, field
from pathlib import Path


def _rows(path):
    for line in path.read_text().splitlines():
        if line.strip() and not line.startswith('#'):
            yield line


def _cells(line, count):
    # A bar inside a regular expression stands without spaces around it.
    cells = [cell.strip() for cell in re.split(r'(?<=\s)\|(?=\s|$)', line)]
    if len(cells) < count:
        raise SystemExit(f'tidy: this row needs {count} cells: {line}')
    return cells


def matches(path, patterns):
    return any(fnmatch.fnmatch(path, pattern) for pattern in patterns)


@dataclass
class Room:
    name: str      # core/tasks, as in #include "core/tasks/engine.hpp"
    kind: str      # core, as in the table
    allowed: set   # kinds that it may include


@dataclass
class Rooms:
    kinds: dict = field(default_factory=dict)     # kind → (folder pattern, allowed kinds)
    orders: dict = field(default_factory=dict)    # kind → its rooms, lowest first
    programs: list = field(default_factory=list)  # (folder pattern, allowed kinds or None)

    @staticmethod
    def read(path):
        rooms = Rooms()
        for line in _rows(path):
            cells = _cells(line, 2)
            words = cells[0].split()
            if words[0] == 'order':
                rooms.orders[words[1]] = cells[1].split()
            elif words[0] == 'program':
                allowed = None if cells[1] == '*' else set(cells[1].split())
                rooms.programs.append((words[1], allowed))
            else:
                rooms.kinds[cells[0]] = (cells[1], set(cells[2].split()))
        return rooms

    def room_of(self, include):
        """The room that an include path or a path below src/ belongs to, or None."""
        parts = include.split('/')
        kind = parts[0]
        if kind not in self.kinds:
            return None
        divided = self.kinds[kind][0].endswith('/*')
        if divided and len(parts) < 3:
            return None
        name = '/'.join(parts[:2]) if divided else kind
        return Room(name, kind, self.kinds[kind][1])

    def may_include(self, source, target):
        if source.name == target.name:
            return True
        if source.kind != target.kind:
            return target.kind in source.allowed
        order = self.orders.get(source.kind)
        if order is None:
            return False
        own, other = source.name.split('/')[1], target.name.split('/')[1]
        return own in order and other in order and order.index(other) < order.index(own)

    def program_allows(self, folder, target):
        for pattern, allowed in self.programs:
            if fnmatch.fnmatch(folder, pattern):
                return allowed is None or target.kind in allowed
        return False


@dataclass
class FileRule:
    pattern: str
    files: list
    why: str


def read_file_rules(path):
    return [FileRule(cells[0], cells[1].split(), cells[2])
            for cells in (_cells(line, 3) for line in _rows(path))]


@dataclass(frozen=True)
class Exemption:
    rule: str
    file: str
    reason: str


def parse_exceptions(text):
    entries = []
    for line in text.splitlines():
        if line.strip() and not line.startswith('#'):
            cells = _cells(line, 3)
            entries.append(Exemption(*cells[:3]))
    return entries


def read_tables(folder: Path):
    return (Rooms.read(folder / 'rooms.txt'), read_file_rules(folder / 'includes.txt'),
            read_file_rules(folder / 'banned.txt'))
