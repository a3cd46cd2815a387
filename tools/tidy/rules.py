"""The rules. Each takes a Tree and yields Violations; RULES names them all."""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cpp_source
from tables import matches, read_tables

MAX_FILE_LINES = 600
MAX_FUNCTION_LINES = 70
MAX_COLUMNS = 100
MAX_BEAST_FILES = 3


@dataclass(frozen=True)
class Violation:
    rule: str
    file: str
    line: int
    message: str

    def __str__(self):
        return f'{self.file}:{self.line}: {self.rule}: {self.message}'


class File:
    def __init__(self, root, path):
        self.path = path.relative_to(root).as_posix()
        self.name = path.name
        self.text = path.read_text()
        self.lines = self.text.splitlines()

    @property
    def is_cpp(self):
        return self.name.endswith(('.cpp', '.hpp'))

    @cached_property
    def code(self):
        return cpp_source.code_only(self.text)

    @cached_property
    def scanner(self):
        return cpp_source.Scanner(self.text)

    @cached_property
    def includes(self):
        return list(cpp_source.includes_of(self.text))


class Tree:
    FOLDERS = ('src', 'apps', 'tests', 'tools', 'cmake', 'docs', 'packaging')
    ENDINGS = ('.cpp', '.hpp', '.py', '.txt', '.cmake', '.md', '.sh', '.service')

    def __init__(self, root, tables):
        self.root = Path(root)
        self.rooms, self.include_rules, self.banned = read_tables(Path(tables))
        self.files = sorted(self._find(), key=lambda file: file.path)
        self.cpp = [file for file in self.files if file.is_cpp]
        self.product = [f for f in self.cpp if f.path.startswith(('src/', 'apps/'))]
        self.by_path = {file.path: file for file in self.files}

    def _find(self):
        paths = [path for path in self.root.iterdir() if path.is_file()]
        for folder in self.FOLDERS:
            paths += [path for path in (self.root / folder).rglob('*') if path.is_file()]
        for path in paths:
            script = path.suffix == '' and path.parent in (self.root, self.root / 'tools')
            if (path.name.endswith(self.ENDINGS) or script) and path.name != 'LICENSE':
                yield File(self.root, path)

    def room_of_file(self, file):
        return self.rooms.room_of(file.path.removeprefix('src/')) if file.path.startswith(
            'src/') else None


def arrows(tree):
    """A file includes only what its room's row in rooms.txt allows."""
    for file in tree.product:
        room = tree.room_of_file(file)
        folder = '/'.join(file.path.split('/')[:2])
        if file.path.startswith('src/') and room is None:
            yield Violation('arrow', file.path, 1, 'the file is in no room of rooms.txt')
            continue
        for line, header, quoted in file.includes:
            if not quoted:
                continue
            target = tree.rooms.room_of(header)
            if target is None:
                near = {(Path(file.path).parent / header).as_posix(), f'apps/{header}'}
                if room is None and any(path in tree.by_path for path in near
                                        if path.startswith(folder + '/')):
                    continue  # a program's own header
                yield Violation('arrow', file.path, line,
                                f'"{header}" is not a path below src/ of the form room/file.hpp')
            elif room is None and not tree.rooms.program_allows(folder, target):
                yield Violation('arrow', file.path, line, f'{folder} may not include {target.name}')
            elif room is not None and not tree.rooms.may_include(room, target):
                if target.kind == 'sim' and re.search(r'_test\.[ch]pp$', file.name):
                    continue  # unit tests run on the simulated ports
                yield Violation('arrow', file.path, line,
                                f'{room.name} may not include {target.name}')


def foreign_includes(tree):
    """Headers that includes.txt keeps to some files."""
    for file in tree.product:
        for line, header, _ in file.includes:
            rule = next((r for r in tree.include_rules if matches(header, [r.pattern])), None)
            if rule and not matches(file.path, rule.files):
                yield Violation('include', file.path, line, f'<{header}>: {rule.why}')
    beast = [file for file in tree.product
             if any(header.startswith('boost/beast') for _, header, _ in file.includes)]
    for file in beast[MAX_BEAST_FILES:]:
        yield Violation('include', file.path, 1,
                        f'Beast is in more than {MAX_BEAST_FILES} files; build on those there are')


def banned_words(tree):
    """Words that banned.txt keeps to some files."""
    for rule in tree.banned:
        pattern = re.compile(rule.pattern)
        for file in tree.product:
            if matches(file.path, rule.files):
                continue
            for match in pattern.finditer(file.code):
                line = file.code.count('\n', 0, match.start()) + 1
                yield Violation('banned', file.path, line, f'{match[0].strip()}: {rule.why}')


_DECLARATION_WORDS = ('using', 'typedef', 'template', 'struct', 'class', 'enum', 'union', 'friend',
                      'namespace', 'extern', 'static_assert', 'concept', 'public', 'private')


def mutable_globals(tree):
    """No variable lives outside an object unless it is constant."""
    constant = re.compile(r'\b(const|constexpr|consteval)\b')
    variable = re.compile(r'^(?:(?:static|inline|thread_local|constinit)\s+)*\w[\w:<>,*&\s]*[\s*&>]'
                          r'\w+\s*(?:\[.*\])?\s*(?:=.*)?$')
    static = re.compile(r'^[ \t]*(?:inline\s+)?(?:static|thread_local)\s+([^;({=]*)([;({=])',
                        re.MULTILINE)
    for file in tree.product:
        for statement in file.scanner.statements:
            text = statement.text
            if text.split()[0] in _DECLARATION_WORDS or constant.search(text.split('=')[0]):
                continue
            if '(' not in text.split('=')[0] and variable.match(text):
                yield Violation('global', file.path, statement.line,
                                f'"{text}" can change; give it an owner')
        for match in static.finditer(file.code):
            if match[2] != '(' and not constant.search(match[1]):
                line = file.code.count('\n', 0, match.start()) + 1
                if not any(s.line == line for s in file.scanner.statements):
                    yield Violation('global', file.path, line,
                                    f'static "{match[1].strip()}" can change; give it an owner')


def lengths(tree):
    """Files, functions and lines stay short enough to read."""
    for file in tree.files:
        if file.name.endswith(('.md', '.txt')) and file.name != 'CMakeLists.txt':
            continue
        if file.path.startswith('tests/') and not file.is_cpp:
            continue
        if len(file.lines) > MAX_FILE_LINES:
            yield Violation('file-length', file.path, len(file.lines),
                            f'{len(file.lines)} lines; {MAX_FILE_LINES} at most')
        for number, line in enumerate(file.lines, 1):
            if len(line) > MAX_COLUMNS:
                yield Violation('line-length', file.path, number,
                                f'{len(line)} columns; {MAX_COLUMNS} at most')
        if not file.is_cpp:
            continue
        for function in file.scanner.functions:
            if function.length > MAX_FUNCTION_LINES:
                yield Violation('function-length', file.path, function.line,
                                f'{function.name} has {function.length} lines; '
                                f'{MAX_FUNCTION_LINES} at most')


def _expected_namespace(room):
    if room.kind == 'base':
        return 'ruche'
    if room.kind == 'drivers':
        return 'ruche::' + room.name.replace('/', '::')
    return 'ruche::' + room.kind


def namespaces(tree):
    """The namespace is the folder."""
    for file in tree.product:
        room = tree.room_of_file(file)
        if file.name.endswith('.hpp') and '#pragma once' not in file.text:
            yield Violation('namespace', file.path, 1, 'a header begins with #pragma once')
        if room is None:
            continue
        expected = _expected_namespace(room)
        found = False
        for match in re.finditer(r'^\s*(?:inline\s+)?namespace\s+(ruche[\w:]*)', file.code,
                                 re.MULTILINE):
            found = True
            name = match[1]
            other = room.kind == 'base' and name.split('::')[1:2] and \
                name.split('::')[1] in tree.rooms.kinds
            if other or not (name == expected or name.startswith(expected + '::')):
                line = file.code.count('\n', 0, match.start(1)) + 1
                yield Violation('namespace', file.path, line,
                                f'namespace {name} in the folder of {expected}')
        if not found and file.name.endswith('.hpp'):
            yield Violation('namespace', file.path, 1, f'nothing is in namespace {expected}')


def test_names(tree):
    """A unit test is called foo_test.cpp and sits in the folder of the code that it tests."""
    with_code = {file.path.rsplit('/', 1)[0] for file in tree.product
                 if not file.name.endswith('_test.cpp')}
    for file in tree.product:
        folder, stem = file.path.rsplit('/', 1)[0], file.name.rsplit('.', 1)[0]
        if re.match(r'^tests?_', stem) or stem.endswith('_tests'):
            yield Violation('test-name', file.path, 1, 'a unit test is called <file>_test.cpp')
        if file.name.endswith('_test.cpp') and folder not in with_code:
            yield Violation('test-name', file.path, 1, 'there is no code beside it')


def unfinished(tree):
    """What is not done is an issue, not a comment."""
    pattern = re.compile(r'\b(' + '|'.join(['TO' + 'DO', 'FIX' + 'ME', 'X' * 3]) + r')\b')
    for file in tree.files:
        for number, line in enumerate(file.lines, 1):
            if match := pattern.search(line):
                yield Violation('unfinished', file.path, number,
                                f'{match[0]}: do it, or open an issue')


def unordered_iteration(tree):
    """core decides the same way every time: nothing walks an unordered container."""
    core = [file for file in tree.product if file.path.startswith('src/core/')]
    declared = re.compile(r'\bunordered_(?:multi)?(?:map|set)\s*<')
    names = {}
    for file in core:
        folder = file.path.rsplit('/', 1)[0]
        for match in declared.finditer(file.code):
            index, depth = match.end(), 1
            while index < len(file.code) and depth:
                depth += {'<': 1, '>': -1}.get(file.code[index], 0)
                index += 1
            if name := re.match(r'\s*&?\s*(\w+)\s*[;{=,)]', file.code[index:]):
                names.setdefault(folder, set()).add(name[1])
    for file in core:
        for name in names.get(file.path.rsplit('/', 1)[0], ()):
            walked = re.compile(r'\bfor\s*\([^;()]*:\s*(?:\w+(?:\.|->))*' + name + r'\s*\)|\b' +
                                name + r'\s*\.\s*c?begin\s*\(')
            for match in walked.finditer(file.code):
                line = file.code.count('\n', 0, match.start()) + 1
                yield Violation('unordered', file.path, line,
                                f'{name} has no order; use std::map or sort first')


_QEMU_WORD = re.compile(r'(?i)qmp|qemu|blockdev|chardev|hmp\b')
_QEMU_FREE = ('src/core/', 'src/ports/', 'src/model/', 'src/methods/', 'src/sim/')
# Names that the public API shows (a contract), and the engine's version as people ask for it.
_QEMU_SHOWN = {'qemu_argv', 'qemu_version'}


def qemu_words(tree):
    """QEMU's words stay inside drivers/qemu."""
    for file in tree.product:
        if not file.path.startswith(_QEMU_FREE):
            continue
        for match in re.finditer(r'[A-Za-z_]\w*', file.code):
            if _QEMU_WORD.search(match[0]) and match[0] not in _QEMU_SHOWN:
                line = file.code.count('\n', 0, match.start()) + 1
                yield Violation('qemu-words', file.path, line,
                                f'{match[0]} belongs to drivers/qemu')
        if not file.path.startswith('src/core/') or file.name.endswith('_test.cpp'):
            continue
        for line, text in cpp_source.strings_of(file.text):
            if re.search(r'"-(?:blockdev|device|chardev|object|machine|accel|netdev)\b|"(?:qmp_|'
                         r'query-|blockdev-|device_)', text):
                yield Violation('qemu-words', file.path, line, f'{text} belongs to drivers/qemu')


RULES = [arrows, foreign_includes, banned_words, mutable_globals, lengths, namespaces, test_names,
         unfinished, unordered_iteration, qemu_words]
