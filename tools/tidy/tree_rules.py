"""Rules that hold two descriptions of one thing together: CMake, documents and the tables."""

import re

from rules import Violation


def _links(text):
    """(room, linked rooms) of every ruche_room() call."""
    text = re.sub(r'#[^\n]*', '', text)
    for call in re.finditer(r'\bruche_room\s*\(([^)]*)\)', text):
        words = call[1].split()
        links, taking = [], False
        for word in words[1:]:
            if word.isupper():
                taking = word == 'LINKS'
            elif taking:
                links.append(word)
        yield words[0], links


def cmake_links(tree):
    """A room links only what its row of rooms.txt allows."""
    for file in tree.files:
        if file.name != 'CMakeLists.txt' or not file.path.startswith('src/'):
            continue
        folder = file.path.removeprefix('src/').removesuffix('/CMakeLists.txt')
        room = tree.rooms.room_of(folder + '/x')
        for target, linked in _links(file.text):
            if room is None or target != room.name.replace('/', '_'):
                yield Violation('cmake', file.path, 1,
                                f'the library {target} is not named as its folder')
                continue
            for other in linked:
                reached = tree.rooms.room_of(other.replace('_', '/', 1) + '/x')
                if reached is None:
                    yield Violation('cmake', file.path, 1,
                                    f'{target} links {other}, which is no room')
                elif not tree.rooms.may_include(room, reached):
                    yield Violation('cmake', file.path, 1, f'{target} may not link {other}')


def cmake_order(tree):
    """src/CMakeLists.txt adds core's rooms in the order of rooms.txt."""
    file = tree.by_path.get('src/CMakeLists.txt')
    if file is None:
        return
    found = re.search(r'foreach\(concern\s+([^)]*)\)', file.text)
    listed = found[1].split() if found else []
    order = tree.rooms.orders.get('core', [])
    if listed != order:
        yield Violation('cmake', file.path, 1,
                        f'core is added as "{" ".join(listed)}", ordered as "{" ".join(order)}"')


def documented_rooms(tree):
    """The table in docs/architecture.md is rooms.txt."""
    path = 'docs/architecture.md'
    file = tree.by_path.get(path)
    if file is None:
        yield Violation('docs', path, 1, 'the page is missing')
        return
    shown = {}
    for line in file.lines:
        row = re.match(r'\|\s*`((?:src|apps)/[^`]*)`\s*\|[^|]*\|([^|]*)\|', line)
        if row:
            shown[row[1]] = set(re.findall(r'`([a-z*]+)`', row[2]))
    wanted = {folder: allowed for folder, allowed in tree.rooms.kinds.values()}
    wanted |= {folder: {'*'} if allowed is None else allowed
               for folder, allowed in tree.rooms.programs}
    for folder in sorted(wanted.keys() | shown.keys()):
        if folder not in shown:
            yield Violation('docs', path, 1, f'the table of rooms has no row for {folder}')
        elif folder not in wanted:
            yield Violation('docs', path, 1, f'{folder} is not in rooms.txt')
        elif shown[folder] != wanted[folder]:
            yield Violation('docs', path, 1, f'{folder} may include {sorted(wanted[folder])}, '
                                             f'the table says {sorted(shown[folder])}')
    for kind, order in tree.rooms.orders.items():
        if ', '.join(f'`{name}`' for name in order) not in ' '.join(file.text.split()):
            yield Violation('docs', path, 1, f'the order of {kind} is not the one of rooms.txt')


def documented_names(tree):
    """Every state and every error code has its line in the documents."""
    for header, enum, page in (('src/model/guest.hpp', 'GuestState', 'docs/states.md'),
                               ('src/base/reasons.hpp', 'ErrorCode', 'docs/conventions.md')):
        source, document = tree.by_path.get(header), tree.by_path.get(page)
        if source is None:
            continue
        body = re.search(r'enum class ' + enum + r'[^{]*\{(.*?)\}', source.code, re.DOTALL)
        for name in re.findall(r'\w+', body[1]) if body else ():
            word = name.replace('_', '-')
            if document is None or f'`{word}`' not in document.text:
                yield Violation('docs', page, 1, f'`{word}` ({enum}) is not explained')


def documented_links(tree):
    """A link to a file of this clone leads somewhere."""
    for file in tree.files:
        if not file.name.endswith('.md'):
            continue
        for number, line in enumerate(file.lines, 1):
            for target in re.findall(r'\]\(([^)#\s]+)[^)]*\)', line):
                if ':' not in target and not (tree.root / file.path).parent.joinpath(
                        target).exists():
                    yield Violation('docs', file.path, number, f'there is no {target}')


TREE_RULES = [cmake_links, cmake_order, documented_rooms, documented_names,
              documented_links]
