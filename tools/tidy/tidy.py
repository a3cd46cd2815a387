#!/usr/bin/python3
"""Ruche's lint. Exits 1 and prints file:line: rule: message for everything that breaks a rule.

  tools/tidy/tidy.py              looks at this clone
  tools/tidy/tidy.py --root DIR   looks at another tree, with this clone's tables
"""

import argparse
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE))

from rules import RULES, Tree, Violation  # noqa: E402
from tables import parse_exceptions  # noqa: E402
from tree_rules import TREE_RULES  # noqa: E402

EXCEPTIONS = 'tools/tidy/exceptions.txt'


def violations_of(tree):
    return [violation for rule in RULES + TREE_RULES for violation in rule(tree)]


def _git(root, *arguments):
    done = subprocess.run(['git', '-C', str(root), *arguments], capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else None


def exceptions_on_base(root):
    """How many exceptions the branch's base has, or None when there is no base to look at."""
    head = _git(root, 'rev-parse', 'HEAD')
    if head is None:
        return None
    base = _git(root, 'merge-base', 'HEAD', 'origin/main')
    if base is None or base == head:
        base = _git(root, 'rev-parse', '--verify', '--quiet', 'HEAD~1')
    if base is None:
        return None
    text = _git(root, 'show', f'{base.strip()}:{EXCEPTIONS}')
    return len(parse_exceptions(text or ''))


def judge(violations, exceptions, allowed_exceptions):
    """What remains after the exceptions, with those that are stale or too many."""
    used = set()
    remaining = []
    for violation in violations:
        match = next((e for e in exceptions
                      if e.rule == violation.rule and e.file == violation.file), None)
        if match:
            used.add(match)
        else:
            remaining.append(violation)
    for entry in exceptions:
        if entry not in used:
            remaining.append(Violation('exceptions', EXCEPTIONS, 1,
                                       f'stale: {entry.file} breaks {entry.rule} no longer'))
        if not entry.reason:
            remaining.append(Violation('exceptions', EXCEPTIONS, 1,
                                       f'{entry.rule} in {entry.file} has no reason'))
    if allowed_exceptions is not None and len(exceptions) > allowed_exceptions:
        remaining.append(Violation('exceptions', EXCEPTIONS, 1,
                                   f'{len(exceptions)} entries, {allowed_exceptions} on the base'))
    return remaining


def check(root, tables):
    path = Path(root) / EXCEPTIONS
    exceptions = parse_exceptions(path.read_text()) if path.exists() else []
    return judge(violations_of(Tree(root, tables)), exceptions, exceptions_on_base(root))


def main():
    parser = argparse.ArgumentParser(description='Checks the rules of docs/architecture.md.')
    parser.add_argument('--root', default=HERE.parent.parent)
    arguments = parser.parse_args()
    remaining = check(arguments.root, HERE)
    for violation in remaining:
        print(violation)
    print(f'tidy: {len(remaining)} violations')
    return 1 if remaining else 0


if __name__ == '__main__':
    sys.exit(main())
