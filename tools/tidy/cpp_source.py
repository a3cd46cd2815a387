"""C++ source as tidy looks at it: comments, strings and braces, without a compiler."""

import re
from dataclasses import dataclass

_TOKEN = re.compile(
    r'//[^\n]*'
    r'|/\*.*?\*/'
    r'|R"(?P<tag>[^()\\ \n]{0,16})\(.*?\)(?P=tag)"'
    r'|"(?:\\.|[^"\\\n])*"'
    r"|(?<![0-9A-Fa-f])'(?:\\.|[^'\\\n])+'",
    re.DOTALL)


def _blank(text):
    return re.sub(r'[^\n]', ' ', text)


def without_comments(text):
    """The text with comments blanked; strings stay. Lines keep their numbers."""
    return _TOKEN.sub(
        lambda m: _blank(m[0]) if m[0].startswith(('//', '/*')) else m[0], text)


def code_only(text):
    """The text with comments and the contents of strings blanked."""
    def replace(match):
        token = match[0]
        if token.startswith(('//', '/*')):
            return _blank(token)
        quote = token[-1]
        return quote + _blank(token[1:-1]) + quote
    return _TOKEN.sub(replace, text)


def strings_of(text):
    """(line, contents) of every string literal."""
    for match in _TOKEN.finditer(text):
        if match[0].startswith(('"', 'R"')):
            yield text.count('\n', 0, match.start()) + 1, match[0]


def includes_of(text):
    """(line, header, quoted) of every #include."""
    pattern = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"]', re.MULTILINE)
    for match in pattern.finditer(without_comments(text)):
        yield text.count('\n', 0, match.start()) + 1, match[2], match[1] == '"'


@dataclass
class Function:
    line: int
    length: int
    name: str


@dataclass
class Statement:
    """A declaration at namespace scope that ends in a semicolon or begins a braced initializer."""
    line: int
    text: str


_PREPROCESSOR = re.compile(r'^[ \t]*#(?:[^\n]*\\\n)*[^\n]*', re.MULTILINE)


def _without_parentheses(text):
    depth, kept = 0, []
    for char in text:
        if char in '([':
            depth += 1
            if depth == 1:
                kept.append('(')
        elif char in ')]':
            depth -= 1
            if depth == 0:
                kept.append(')')
        elif depth == 0:
            kept.append(char)
    return ''.join(kept)


def _without_template(text):
    """Without a leading template<...>; the angle brackets may nest."""
    while (match := re.match(r'\s*template\s*<', text)):
        depth, index = 1, match.end()
        while index < len(text) and depth:
            depth += {'<': 1, '>': -1}.get(text[index], 0)
            index += 1
        text = re.sub(r'^\s*requires\b[^{;]*?(?=\b(?:class|struct|auto|void|bool)\b)', '',
                      text[index:])
    return text


def _kind_of_block(head):
    """What an opening brace at namespace or class scope begins, from the text before it."""
    head = re.sub(r'\b(public|private|protected)\s*:(?!:)', ' ', head)
    head = _without_template(re.sub(r'\[\[.*?\]\]', ' ', head)).strip()
    if re.match(r'(inline\s+)?namespace\b|extern\s*"', head):
        return 'namespace'
    if re.match(r'(typedef\s+)?(class|struct|union|enum)\b', head):
        return 'type'
    flat = _without_parentheses(re.sub(r'operator\s*(\(\)|\[\]|[^\s\w(]+)', 'operator_', head))
    if '()' not in flat:
        return 'initializer'
    if re.search(r'(?<![=!<>])=(?!=)', flat):
        return 'initializer'
    if re.search(r'\)\s*(noexcept\s*(\(\))?\s*)?:(?!:)', flat) and re.search(r'[\w>]\s*$', flat):
        return 'part'
    return 'function'


class Scanner:
    """Walks the braces of a file and collects its functions and namespace-scope statements."""

    def __init__(self, text):
        self.code = _PREPROCESSOR.sub(lambda m: _blank(m[0]), code_only(text))
        self.functions = []
        self.statements = []
        self._stack = []  # (kind, head start, brace, parenthesis depth outside)
        self._head = 0
        self._depth = 0
        self._scan()

    def _line(self, index):
        return self.code.count('\n', 0, index) + 1

    def _outer(self):
        return all(entry[0] in ('namespace', 'type') for entry in self._stack)

    def _scan(self):
        for index, char in enumerate(self.code):
            if char == '(':
                self._depth += 1
            elif char == ')':
                self._depth -= 1
            elif char == ';' and self._depth == 0:
                self._statement(index)
                self._head = index + 1
            elif char == '{':
                self._open(index)
            elif char == '}':
                self._close(index)

    def _statement(self, index):
        if all(entry[0] == 'namespace' for entry in self._stack):
            self._record_statement(index)

    def _record_statement(self, index):
        text = self.code[self._head:index]
        start = self._head + len(text) - len(text.lstrip())
        if text.strip():
            self.statements.append(Statement(self._line(start), ' '.join(text.split())))

    def _open(self, index):
        kind = 'block'
        if self._outer():
            # A brace within parentheses is a default argument: the head goes on after it.
            kind = 'part' if self._depth else _kind_of_block(self.code[self._head:index])
            if kind == 'initializer':
                self._statement(index)
        self._stack.append((kind, self._head, index, self._depth))
        self._depth = 0
        if kind != 'part':
            self._head = index + 1

    def _close(self, index):
        if not self._stack:
            return
        kind, head, brace, depth = self._stack.pop()
        self._depth = depth
        if kind == 'part':
            return
        self._head = index + 1
        if kind != 'function':
            return
        text = self.code[head:brace]
        access = re.match(r'\s*(?:public|private|protected)\s*:(?!:)', text)
        if access:
            text, head = text[access.end():], head + access.end()
        first = self._line(head + len(text) - len(text.lstrip()))
        name = re.search(r'([\w:~]+|operator\s*\S+?)\s*\(', text)
        self.functions.append(
            Function(first, self._line(index) - first + 1, name[1] if name else '?'))
