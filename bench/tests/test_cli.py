#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs tpark-bench, bench/compare and bench/bars as a user does, mistakes included."""
import csv
import ctypes
import errno
import json
import os
import pathlib
import platform
import signal
import struct
import subprocess
import sys
import tempfile
import unittest
import xml.dom.minidom

BENCH = sys.argv.pop(1)
COMPARE = sys.argv.pop(1)
BARS = sys.argv.pop(1)
PICTURES = sys.argv.pop(1)
FAST = ['--quick', '--measure', 'A', '--only', 'sem']


def bench(*options, path=None, within=None):
    """within: a function that restricts the process before it runs the program."""
    environment = dict(os.environ, **({'PATH': path} if path is not None else {}))
    return subprocess.run([BENCH, '--verbose', *options], capture_output=True, text=True,
                          timeout=300, env=environment, preexec_fn=within, check=False)


# Numbers of x86-64.
EVENTFD2, SCHED_SETAFFINITY, SCHED_SETSCHEDULER, FUTEX_WAIT_2 = 290, 203, 144, 455


def refuse(number, error):
    """Has the kernel fail a system call of this process and its children (seccomp)."""
    def instruction(code, true, false, value):
        return struct.pack('HBBI', code, true, false, value)

    load, jump_if_equal, result = 0x20, 0x15, 0x06
    program = ctypes.create_string_buffer(
        instruction(load, 0, 0, 0) + instruction(jump_if_equal, 0, 1, number)
        + instruction(result, 0, 0, 0x50000 | error) + instruction(result, 0, 0, 0x7fff0000))
    header = ctypes.create_string_buffer(struct.pack('HxxxxxxP', 4, ctypes.addressof(program)))
    no_new_privileges, set_seccomp, with_filter = 38, 22, 2
    libc = ctypes.CDLL(None)
    libc.prctl(no_new_privileges, 1, 0, 0, 0)
    if libc.prctl(set_seccomp, with_filter, header, 0, 0):
        raise OSError('no seccomp')


class Bench(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory()
        self.addCleanup(self.scratch.cleanup)
        self.directory = pathlib.Path(self.scratch.name)

    def assert_one_line(self, result, *words):
        lines = result.stderr.splitlines()
        self.assertEqual(len(lines), 1, result.stderr)
        for word in words:
            self.assertIn(word, lines[0])

    def test_lists_everything(self):
        result = bench('--list')
        self.assertEqual(result.returncode, 0)
        for name in ('tpark-futex', 'tpark-pthread', 'raw-futex', 'spin', 'sem', 'mutex-cond',
                     'eventfd', 'urcu-futex', 'urcu-call-rcu', 'rust-park', 'cxx-semaphore',
                     'cxx-atomic-wait', 'nsync', 'ck-ec', 'parking', 'crossbeam', 'tpark-block-on',
                     'tokio-block-on'):
            self.assertIn(f'  {name} ', result.stdout)
        for letter in 'ABCDEFGHIJ':
            self.assertIn(f'\n  {letter}  ', result.stdout)

    def test_answers_on_one_screen(self):
        tables = self.directory / 'tables'
        result = subprocess.run(
            [BENCH, '--quick', '--measure', 'A', '--only', 'sem,tpark-futex', '--tables', tables],
            capture_output=True, text=True, timeout=120, check=False)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertLess(len(result.stdout.splitlines()), 40)
        self.assertRegex(result.stdout, r'(?m)^  unpark and park, token there .* ns  sem  ')
        self.assertNotIn('(null pair)', result.stdout)
        self.assertIn('(null pair)', tables.read_text())

    def test_has_no_heading_without_a_section(self):
        result = bench('--quick', '--measure', 'AP', '--only', 'sem', within=lambda: None)
        self.assertNotIn('\nP. ', result.stdout)
        headings = [line for line in result.stdout.splitlines() if line[1:2] == '.']
        self.assertTrue(all('\n\n  ' in result.stdout.split(line)[1][:4] for line in headings))

    def test_prints_a_seed_that_varies_and_takes_it_again(self):
        seeds = set()
        for _ in range(2):
            out = bench(*FAST).stdout
            seeds.add([line for line in out.splitlines() if line.startswith('seed ')][0])
        self.assertEqual(len(seeds), 2)
        seed = seeds.pop().split()[1]
        self.assertIn(f'{seed}\n', bench(*FAST, '--seed', seed).stdout)
        for wrong in ('0', 'x', ''):
            self.assertNotEqual(bench(*FAST, '--seed', wrong).returncode, 0)

    def test_refuses_to_measure_nothing(self):
        path = self.directory / 'json'
        result = bench('--quick', '--measure', 'P', '--json', path)
        self.assert_one_line(result, '--quick')
        self.assertNotEqual(result.returncode, 0)
        self.assertFalse(path.exists())
        for nothing in ('', ',', '9'):
            result = bench('--measure', nothing)
            self.assertNotEqual(result.returncode, 0)
            self.assertEqual(result.stdout, '')

    def test_keeps_what_was_measured_before_an_interrupt_and_leaves_no_empty_file(self):
        for enough in (False, True):
            path = self.directory / f'json-{enough}'
            tables = self.directory / f'tables-{enough}'
            child = subprocess.Popen(
                [BENCH, '--verbose', '--measure', 'BJ', '--only', 'sem', '--json', path,
                 '--tables', tables], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for line in child.stdout:
                if line.startswith('J.' if enough else 'B.'):
                    break
            child.send_signal(signal.SIGINT)
            out, errors = child.communicate(timeout=120)
            self.assertEqual(child.returncode, 130, errors)
            self.assertIn('interrupted', errors)
            for file in (path, tables):
                self.assertTrue(file.exists() or not enough)
                self.assertTrue(not file.exists() or file.read_text())
            if path.exists():
                sections = json.loads(path.read_text())['sections']
                self.assertEqual(sections[0]['measurement'], 'B')

    def test_table_has_contestants_limit_and_null_pair(self):
        result = bench(*FAST)
        self.assertEqual(result.returncode, 0, result.stderr)
        for name in ('sem', 'raw-locked', '(null pair)'):
            self.assertRegex(result.stdout, rf'(?m)^  {name.replace("(", ".").replace(")", ".")} +\d')
        self.assertNotIn('eventfd', result.stdout)

    def test_files(self):
        result = bench('--quick', '--measure', 'EH', '--only', 'sem,urcu-call-rcu',
                       '--json', f'{self.directory}/r.json', '--csv', f'{self.directory}/r.csv')
        self.assertEqual(result.returncode, 0, result.stderr)
        root = json.loads((self.directory / 'r.json').read_text())
        self.assertIn('kernel', root['about'])
        wake = next(s for s in root['sections'] if s['measurement'] == 'E')
        entry = next(e for e in wake['entries'] if e['contestant'] == 'sem')
        column = entry['columns']['wake']
        self.assertEqual(len(column['rounds']), wake['rounds'])
        self.assertLessEqual(column['p10'], column['p50'])
        self.assertLessEqual(column['p99.9'], column['max'])
        with open(self.directory / 'r.csv', encoding='utf-8', newline='') as file:
            rows = list(csv.DictReader(file))
        row = next(r for r in rows if (r['measurement'], r['section'], r['contestant'],
                                       r['column']) == ('E', 'light', 'sem', 'wake'))
        self.assertAlmostEqual(float(row['p50']), column['p50'], delta=column['p50'] * 1e-4)
        same = subprocess.run([COMPARE, self.directory / 'r.json', self.directory / 'r.json'],
                              capture_output=True, text=True, check=True)
        self.assertIn('no change beyond the noise', same.stdout)

    def test_pictures(self):
        json_file = self.directory / 'r.json'
        result = bench('--quick', '--measure', 'E', '--only', 'sem', '--json', json_file)
        self.assertEqual(result.returncode, 0, result.stderr)
        subprocess.run([PICTURES, json_file, self.directory / 'new'], check=True, timeout=60,
                       stdout=subprocess.DEVNULL)
        picture = xml.dom.minidom.parse(str(self.directory / 'new' / 'wake.svg'))
        self.assertIn('sem_t', picture.documentElement.toxml())
        for text in ('', '{}', '[]', '{"sections": []}', '{"sections": [{}]}'):
            json_file.write_text(text)
            done = subprocess.run([PICTURES, json_file, self.directory / 'none'], timeout=60,
                                  capture_output=True, text=True, check=False)
            self.assertNotEqual(done.returncode, 0)
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)

    def test_unknown_contestant(self):
        result = bench('--quick', '--measure', 'A', '--only', 'sem,nonsense')
        self.assert_one_line(result, 'nonsense')
        self.assertEqual(result.returncode, 1)
        self.assertIn('sem', result.stdout)

    def test_unknown_measurement(self):
        result = bench(*FAST[:2], 'AZ', *FAST[3:])
        self.assert_one_line(result, 'Z')
        self.assertEqual(result.returncode, 1)
        self.assertIn('fast pair', result.stdout)

    def test_unwritable_files(self):
        for option in ('--json', '--csv', '--tables'):
            with self.subTest(option):
                result = bench(*FAST, option, '/nonexistent/there')
                self.assert_one_line(result, '/nonexistent/there', 'No such file')
                self.assertEqual(result.returncode, 1)
                self.assertIn('(null pair)', result.stdout)

    def test_full_disk(self):
        for option in ('--json', '--csv'):
            with self.subTest(option):
                result = bench(*FAST, option, '/dev/full')
                self.assert_one_line(result, '/dev/full', 'No space left')
                self.assertEqual(result.returncode, 1)

    def test_one_cpu(self):
        cpu = min(os.sched_getaffinity(0))
        result = bench('--quick', '--measure', 'DE', '--only', 'sem',
                       within=lambda: os.sched_setaffinity(0, {cpu}))
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn('left out, since it needs 2 CPUs', result.stdout)
        self.assertRegex(result.stdout, r'ping-pong on one core\n')
        self.assertRegex(result.stdout, r'(?m)^  sem +\d')

    @unittest.skipUnless(platform.machine() == 'x86_64', 'the system calls have other numbers')
    def test_says_what_the_machine_lacks_for_a_section(self):
        result = bench('--measure', 'P', '--only', 'sem',
                       within=lambda: refuse(SCHED_SETSCHEDULER, errno.EPERM))
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn('left out, since real-time priority is not allowed', result.stdout)

    @unittest.skipUnless(platform.machine() == 'x86_64', 'the system calls have other numbers')
    def test_refused_system_calls(self):
        cases = [
            (EVENTFD2, errno.ENOSYS, ['--measure', 'A', '--only', 'sem,eventfd'], 'eventfd'),
            (FUTEX_WAIT_2, errno.ENOSYS, ['--measure', 'A', '--only', 'sem'], 'raw-futex-wait'),
            (SCHED_SETAFFINITY, errno.EPERM, ['--measure', 'D', '--only', 'sem'], 'pin'),
            (SCHED_SETSCHEDULER, errno.EPERM, ['--measure', 'A', '--only', 'sem', '--realtime'],
             'real-time'),
        ]
        for number, error, options, word in cases:
            with self.subTest(word):
                result = bench('--quick', *options, within=lambda: refuse(number, error))
                self.assert_one_line(result, word, os.strerror(error))
                self.assertRegex(result.stdout, r'(?m)^  sem +\d')


class Compare(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory()
        self.addCleanup(self.scratch.cleanup)

    def result(self, name, slower=1.0, null=1.0, machine=1.0):
        """A result in which the contestant is twice as slow as the limit, times `slower`."""
        wobble = [1 + 0.001 * (i % 5) for i in range(15)]

        def entry(contestant, is_null, factor):
            ratios = sorted(factor * w for w in wobble)
            return {'contestant': contestant, 'null_pair': is_null, 'columns': {'time': {
                'unit': 'ns', 'ratio': [ratios[7], ratios[3], ratios[11]],
                'rounds': [100 * machine * factor * w for w in wobble]}}}

        path = pathlib.Path(self.scratch.name) / name
        path.write_text(json.dumps({'about': {'kernel': 'x'}, 'sections': [{
            'measurement': 'A', 'section': '', 'title': 'fast pair', 'limit': 'raw',
            'disturbed': False, 'entries': [entry('raw', False, 1), entry('raw', True, null),
                                            entry('c', False, 2 * slower)]}]}))
        return path

    def compare(self, a, b):
        return subprocess.run([COMPARE, a, b], capture_output=True, text=True, check=False)

    def test_reports_what_changed(self):
        out = self.compare(self.result('a'), self.result('b', slower=1.3)).stdout
        self.assertRegex(out, r'c +time +2\.\d+ -> 2\.\d+ +x raw +\+30\.0 %')
        self.assertNotIn('raw  ', out.replace('x raw', ''))

    def test_ignores_noise(self):
        out = self.compare(self.result('a'), self.result('b', slower=1.001)).stdout
        self.assertIn('no change', out)

    def test_ignores_what_the_null_pair_does_too(self):
        out = self.compare(self.result('a'), self.result('b', slower=1.1, null=1.2)).stdout
        self.assertIn('no change', out)

    def test_a_slower_machine_is_no_slower_contestant(self):
        out = self.compare(self.result('a'), self.result('b', machine=1.5)).stdout
        self.assertRegex(out, r'raw +time +\S+ -> \S+ +ns +\+50\.0 %')
        self.assertNotRegex(out, r'(?m)^  c ')

    def test_bad_input(self):
        bad = pathlib.Path(self.scratch.name) / 'bad'
        bad.write_text('{"sections": 3}')
        for path in (bad, '/nonexistent'):
            result = self.compare(path, self.result('a'))
            self.assertEqual(result.returncode, 1)
            self.assertEqual(len(result.stderr.splitlines()), 1)


class Bars(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory()
        self.addCleanup(self.scratch.cleanup)

    def bars(self, times, disturbed=False):
        """Of a ping-pong between two cores. times: of a round trip, by contestant and round."""
        def entry(contestant, rounds):
            return {'contestant': contestant, 'null_pair': False, 'columns': {
                'time': {'rounds': rounds},
                'sleeps': {'rounds': [2 if time > 1000 else 0 for time in rounds]}}}

        path = pathlib.Path(self.scratch.name) / 'result'
        path.write_text(json.dumps({'sections': [{
            'measurement': 'D', 'section': 'two-cores', 'disturbed': disturbed,
            'entries': [entry(*item) for item in times.items()]}]}))
        result = subprocess.run([BARS, path], capture_output=True, text=True, check=False)
        rows = [line for line in result.stdout.splitlines() if not line.endswith('not measured |')]
        return result.returncode, rows[2:]

    def test_an_interval_that_contains_the_bar_leaves_it_open(self):
        wide = [95 * (1 + 0.05 * (i % 5)) for i in range(15)]
        status, rows = self.bars({'tpark-futex': wide, 'spin': [100] * 15})
        self.assertEqual(status, 0)
        self.assertRegex(rows[0], r'time, times spin \| 1.05 \| 0.998 to 1.09 \| 1 \| open \|')

    def test_an_interval_that_reaches_the_bar_shows_it(self):
        status, rows = self.bars({'tpark-futex': [99] * 15, 'spin': [100] * 15})
        self.assertEqual(status, 0)
        self.assertRegex(rows[0], r'1 \| shown \|')

    def test_compares_waits_with_the_best_in_hindsight_of_those_that_are_free(self):
        costs = {'tpark-futex': (10, 12), 'tpark-price-1': (20, 11), 'tpark-never': (10, 20),
                 'tpark-fixed-5': (10.4, 12), 'tpark-fixed-25': (16, 10)}
        path = pathlib.Path(self.scratch.name) / 'result'
        path.write_text(json.dumps({'sections': [{
            'measurement': 'W', 'section': '5us', 'disturbed': False, 'entries': [
                {'contestant': name, 'null_pair': False, 'columns': {
                    'cpu': {'rounds': [cpu] * 15}, 'both': {'rounds': [both] * 15}}}
                for name, (cpu, both) in costs.items()]}]}))
        result = subprocess.run([BARS, path], capture_output=True, text=True, check=False)
        self.assertRegex(result.stdout, r'5 µs \| cpu, times tpark-never \| 1 \|.* shown')
        self.assertRegex(result.stdout, r'best free one in hindsight \| 1 \|.* shown')
        self.assertRegex(result.stdout, r'price 1 \| .*best in hindsight \| 1.1 \|.* shown')

    def rows_of(self, *sections):
        """Each section in a file of its own: measurement, key, and values by contestant."""
        files = []
        for measurement, key, contestants in sections:
            files.append(pathlib.Path(self.scratch.name) / f'result-{measurement}-{key}')
            files[-1].write_text(json.dumps({'sections': [{
                'measurement': measurement, 'section': key, 'disturbed': False, 'entries': [
                    {'contestant': name, 'null_pair': False, 'columns': {
                        column: {'rounds': [value] * 15} for column, value in columns.items()}}
                    for name, columns in contestants.items()]}]}))
        result = subprocess.run([BARS, *files], capture_output=True, text=True, check=False)
        return [line for line in result.stdout.splitlines()[2:]
                if not line.endswith('not measured |')]

    def test_a_bystander_may_lose_more_where_the_trip_at_least_halves(self):
        never = {'time': 100, 'cpu': 10, 'bystander': 100}
        own = {'cpu': 10, 'bystander': 110}
        rows = self.rows_of(
            ('P', 'bystander-5us', {'tpark-never': never, 'tpark-futex': {**own, 'time': 40}}),
            ('P', 'bystander-60us', {'tpark-never': never, 'tpark-futex': {**own, 'time': 60}}))
        self.assertRegex(rows[0], r'5 µs .* \| 1.111 \| shown')
        self.assertRegex(rows[1], r'60 µs .* \| 1.031 \| missed')

    def test_a_shared_parker_may_look_at_its_mark(self):
        rows = self.rows_of(('B', '', {'tpark-futex': {'time': 10}, 'tpark-shared': {'time': 13},
                                       'raw-locked': {'time': 9}, 'raw-locked-mark': {'time': 12}}))
        self.assertRegex(rows[0], r'a look at the mark \| 1 \|.* shown')

    def test_compares_with_another_commit_beside_it(self):
        rows = self.rows_of(('A', '', {'tpark-futex': {'time': 104}, 'tpark-beside': {'time': 100}}))
        self.assertRegex(rows[0], r'and before \| time, times tpark-beside \| 1.04 .* missed')

    def test_an_interval_above_the_bar_misses_it(self):
        status, rows = self.bars({'tpark-futex': [116] * 15, 'spin': [100] * 15})
        self.assertEqual(status, 1)
        self.assertRegex(rows[0], r'1 \| missed \|')

    def test_compares_with_the_fastest_that_sleeps_in_the_rounds_in_which_it_did(self):
        _, rows = self.bars({'tpark-futex': [100] * 15, 'slow': [50000] * 15,
                             'fast': [20000] * 14 + [200], 'spin': [100] * 15})
        self.assertRegex(rows[1], r'fastest that sleeps \| 0.005 \| 0.005 to 0.005 ')

    def test_says_which_section_was_disturbed(self):
        _, rows = self.bars({'tpark-futex': [100] * 15, 'spin': [100] * 15}, disturbed=True)
        self.assertRegex(rows[0], r'shown, disturbed \|$')


if __name__ == '__main__':
    unittest.main(verbosity=2)
