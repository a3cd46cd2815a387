#!/usr/bin/python3
"""Tests of tidy: one small tree per rule that breaks exactly it, so that no check sleeps."""

import subprocess
import sys
import tempfile
import textwrap
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE))

import cpp_source  # noqa: E402
import tidy  # noqa: E402
from rules import Tree, Violation  # noqa: E402
from tables import Exemption, read_tables  # noqa: E402


def header(namespace, body='', includes=''):
    return f'#pragma once\n{includes}\nnamespace {namespace} {{\n{body}\n}}  // namespace\n'


def rooms_page():
    """The table that docs/architecture.md must show."""
    rooms, _, _ = read_tables(HERE)
    rows = [(folder, allowed) for folder, allowed in rooms.kinds.values()]
    rows += [(folder, {'*'} if allowed is None else allowed) for folder, allowed in rooms.programs]
    lines = [f'| `{folder}` | what | ' + ' '.join(f'`{a}`' for a in allowed) + ' |'
             for folder, allowed in rows]
    order = ', '.join(f'`{name}`' for name in rooms.orders['core'])
    return '\n'.join(lines) + f'\n{order}\n'


def order():
    return '\n'.join(textwrap.wrap(' '.join(read_tables(HERE)[0].orders['core']), 80))


GOOD = {
    'docs/architecture.md': rooms_page(),
    'src/CMakeLists.txt': f'foreach(concern {order()})\nendforeach()\n',
    'src/base/thing.hpp': header('ruche', 'int thing(int value = 3);'),
    'src/base/thing_test.cpp': '#include "base/thing.hpp"\n',
    'src/base/CMakeLists.txt': 'ruche_room(base LIBRARIES Boost::json)\n',
    'src/model/CMakeLists.txt': 'ruche_room(model LINKS base)\n',
    'src/model/guest.hpp': header('ruche::model', 'inline constexpr int kMost = 1 << 4;',
                                  '#include "base/thing.hpp"\n'),
    'src/core/tasks/engine.cpp':
        '#include "core/documents/keys.hpp"\n#include "model/guest.hpp"\n'
        'namespace ruche::core {\n// A word like qmp or catch (...) in a comment harms nobody.\n'
        'Engine::Engine() : a_{1}, b_(2) { const char* text = "std::thread"; }\n}\n',
    'src/core/documents/keys.hpp': header('ruche::core', 'struct Keys { int at = 0; };'),
    'apps/ruched/main.cpp': '#include "ruched/daemon.hpp"\n#include "core/documents/keys.hpp"\n',
    'apps/ruched/daemon.hpp': '#pragma once\n',
}

BAD = {
    'arrow': [
        {'src/model/guest.hpp': header('ruche::model', '', '#include "core/documents/keys.hpp"\n')},
        {'src/core/documents/keys.hpp':
            header('ruche::core', '', '#include "core/tasks/engine.hpp"\n')},
        {'src/drivers/lxc/a.hpp':
            header('ruche::drivers::lxc', '', '#include "drivers/qemu/argv.hpp"\n')},
        {'src/base/other.hpp': header('ruche', '', '#include "../base/thing.hpp"\n')},
        {'apps/ruche/main.cpp': '#include "core/documents/keys.hpp"\n'},
        {'apps/jail/main.cpp': '#include "base/thing.hpp"\n'},
        {'apps/jail/main.cpp': '#include "ruched/daemon.hpp"\n'},
        {'src/nowhere/a.cpp': 'int f();\n'},
    ],
    'include': [
        {'src/core/tasks/a.cpp': '#include <boost/asio/post.hpp>\n'},
        {'src/core/tasks/a.cpp': '#include <boost/json.hpp>\n'},
        {'src/net/a.hpp': header('ruche::net', '', '#include <boost/beast/http.hpp>\n')},
        {'src/api/a.cpp': '#include <openssl/ssl.h>\n'},
        {'src/model/a.cpp': '#include <format>\n'},
        {f'src/net/{name}.cpp': '#include <boost/beast/core.hpp>\n' for name in 'abcd'},
    ],
    'banned': [
        {'src/core/tasks/a.cpp': f'{code}\n'} for code in (
            'void f() { try { g(); } catch (...) {} }', 'void f() { g(asio::detached); }',
            'void f() { co_spawn(g()); }', 'void f() { g(use_future); }',
            'void f() { std::chrono::steady_clock::now(); }', 'void f() { ::usleep(1); }',
            'void f() { usleep(1); }', 'void f() { std::thread t(g); }',
            'void f() { std::this_thread::sleep_for(x); }', 'void f() { std::async(g); }',
            'void f() { pthread_create(a, b, c, d); }', 'void f() { clock_gettime(a, b); }',
            'void f() { gettimeofday(a, b); }',
            'int f() { return rand(); }',
            'void f() { std::mt19937 engine; }', 'int f() { return fork(); }',
        )
    ],
    'global': [
        {'src/base/other.cpp': 'namespace ruche {\nint counter = 0;\n}\n'},
        {'src/base/other.cpp': 'namespace ruche {\nstd::map<int, int> cache;\n}\n'},
        {'src/base/other.cpp': 'namespace ruche {\nstatic bool ready{false};\n}\n'},
        {'src/base/other.cpp': 'namespace ruche {\nint f() {\n  static int calls = 0;\n'
                               '  return ++calls;\n}\n}\n'},
    ],
    'file-length': [{'src/base/other.cpp': '\n' * 601}],
    'function-length': [
        {'src/base/other.cpp': 'namespace ruche {\nvoid f(int a = 1, X b = {}) {\n' +
                               '  g();\n' * 70 + '}\n}\n'},
        {'src/base/other.cpp': 'namespace ruche {\nA::A() : a_{1}, b_(2) {\n' + '  g();\n' * 70 +
                               '}\n}\n'},
        {'src/base/other.cpp': 'namespace ruche {\ntemplate <class T>\nbool operator==(T a, T b) {'
                               '\n' + '  g();\n' * 70 + '}\n}\n'},
    ],
    'line-length': [{'src/base/other.cpp': '// ' + 'x' * 98 + '\n'}, {'run': '# ' + 'x' * 99}],
    'namespace': [
        {'src/base/other.hpp': header('ruche::model')},
        {'src/core/tasks/a.hpp': header('ruche::tasks')},
        {'src/drivers/lxc/a.hpp': header('ruche::drivers')},
        {'src/base/other.hpp': 'namespace ruche {}\n'},
        {'src/base/other.hpp': '#pragma once\n'},
    ],
    'test-name': [{'src/base/tests/thing_test.cpp': ''}, {'src/base/test_thing.cpp': ''}],
    'unfinished': [{'src/base/other.cpp': '// TO' + 'DO: later\n'},
                   {'docs/a.md': 'FIX' + 'ME\n'}],
    'unordered': [
        {'src/core/tasks/a.cpp': 'namespace ruche::core {\nstruct S {\n'
                                 '  std::unordered_map<int, std::vector<int>> all_;\n'
                                 '  void f() { for (auto& [a, b] : all_) g(a); }\n};\n}\n'},
        {'src/core/tasks/a.hpp': header('ruche::core', 'struct S { std::unordered_set<int> x_; };'),
         'src/core/tasks/a.cpp': 'void f(S& s) { auto i = s.x_.begin(); }\n'},
    ],
    'qemu-words': [
        {'src/core/tasks/a.cpp': 'void f() { send_qmp(); }\n'},
        {'src/core/tasks/a.cpp': 'void f() { g("-blockdev"); }\n'},
    ],
    'cmake': [
        {'src/model/CMakeLists.txt': 'ruche_room(model LINKS base core_tasks)\n'},
        {'src/model/CMakeLists.txt': 'ruche_room(models LINKS base)\n'},
        {'src/core/documents/CMakeLists.txt': 'ruche_room(core_documents LINKS core_tasks)\n'},
        {'src/CMakeLists.txt': 'foreach(concern tasks documents)\n'},
    ],
    'docs': [
        {'docs/architecture.md': rooms_page().replace('`src/net`', '`src/nets`')},
        {'docs/architecture.md': rooms_page().replace('| what | `base` |', '| what | `core` |', 1)},
        {'docs/architecture.md': rooms_page().replace('`documents`, `inventory`', '', 1)},
        {'docs/a.md': 'see [that](nowhere.md)\n'},
        {'src/model/guest.hpp': header('ruche::model', 'enum class GuestState { odd };')},
    ],
}


def violations(*overlays):
    with tempfile.TemporaryDirectory() as folder:
        files = dict(GOOD)
        for overlay in overlays:
            files |= overlay
        for path, text in files.items():
            place = Path(folder) / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
        return tidy.violations_of(Tree(folder, HERE))


class Rules(unittest.TestCase):
    def test_a_good_tree_passes(self):
        self.assertEqual([], violations())

    def test_every_rule_sees_its_own_violation_and_no_other_does(self):
        for rule, trees in BAD.items():
            for tree in trees:
                with self.subTest(rule=rule, tree=tree):
                    self.assertEqual({rule}, {v.rule for v in violations(tree)})

    def test_every_banned_word_has_a_bad_tree(self):
        rules = read_tables(HERE)[2]
        seen = ' '.join(v.message for tree in BAD['banned'] for v in violations(tree))
        untried = [rule.pattern for rule in rules if rule.why not in seen]
        self.assertEqual([], untried)


class Exceptions(unittest.TestCase):
    broken = [Violation('global', 'src/a.cpp', 3, 'x')]
    needed = Exemption('global', 'src/a.cpp', 'because')
    stale = Exemption('banned', 'src/b.cpp', 'because')

    def test_an_exception_covers_its_rule_in_its_file(self):
        self.assertEqual([], tidy.judge(self.broken, [self.needed], 1))

    def test_a_stale_one_fails(self):
        self.assertIn('stale', tidy.judge(self.broken, [self.needed, self.stale], 2)[0].message)

    def test_one_more_than_on_the_base_fails(self):
        self.assertIn('on the base', tidy.judge(self.broken, [self.needed], 0)[0].message)

    def test_one_without_a_reason_fails(self):
        unexplained = Exemption('global', 'src/a.cpp', '')
        self.assertIn('no reason', tidy.judge(self.broken, [unexplained], 1)[0].message)

    def test_without_a_base_their_number_is_not_judged(self):
        self.assertEqual([], tidy.judge(self.broken, [self.needed], None))


class Base(unittest.TestCase):
    """Which commit the exceptions are compared with."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.git('init', '-q', '-b', 'main')

    def git(self, *arguments):
        subprocess.run(['git', '-C', self.folder.name, '-c', 'user.name=a', '-c', 'user.email=a@b',
                        '-c', 'commit.gpgsign=false', *arguments], check=True, capture_output=True)

    def commit(self, exceptions):
        path = Path(self.folder.name) / tidy.EXCEPTIONS
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('# comment\n' + 'banned | a.cpp | because\n' * exceptions)
        self.git('add', '-A')
        self.git('commit', '-q', '--allow-empty', '-m', 'x')

    def test_the_first_commit_has_no_base(self):
        self.assertIsNone(tidy.exceptions_on_base(self.folder.name))
        self.commit(2)
        self.assertIsNone(tidy.exceptions_on_base(self.folder.name))

    def test_without_a_remote_the_commit_before_is_the_base(self):
        self.commit(1)
        self.commit(2)
        self.assertEqual(1, tidy.exceptions_on_base(self.folder.name))

    def test_a_branch_is_compared_with_where_it_left_main(self):
        self.commit(3)
        self.git('update-ref', 'refs/remotes/origin/main', 'HEAD')
        self.commit(4)
        self.commit(5)
        self.assertEqual(3, tidy.exceptions_on_base(self.folder.name))


class Source(unittest.TestCase):
    def test_comments_and_strings_are_blanked_and_lines_kept(self):
        text = 'a /* b\n c */ d("e // f") // g\nR"(h\n")i" 1\'000 \'"\'\n'
        code = cpp_source.code_only(text)
        self.assertEqual(text.count('\n'), code.count('\n'))
        for gone in ('b', 'c', 'e', 'g'):
            self.assertNotIn(gone, code)
        self.assertIn("1'000", code)

    def test_functions_are_found_with_their_lines(self):
        text = ('namespace a {\nclass B : public C {\n public:\n  int d() const { return 1; }\n'
                '  auto e(F f = {}) -> G {\n    if (f) {\n    }\n  }\n};\n'
                'const int table[] = {\n  1,\n};\n}\n')
        found = [(f.name, f.line, f.length) for f in cpp_source.Scanner(text).functions]
        self.assertEqual([('d', 4, 1), ('e', 5, 4)], found)


if __name__ == '__main__':
    unittest.main()
