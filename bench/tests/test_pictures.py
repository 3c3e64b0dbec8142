#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Draws pictures of made-up results, and looks at them in a browser: at every size no label touches
another, or the edge. Exits with 77 where there is no browser."""
import json
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

PICTURES = pathlib.Path(sys.argv[1])
BROWSER = shutil.which('chromium') or shutil.which('chromium-browser') or shutil.which('google-chrome')
NAMES = ['tpark-futex', 'tpark-pthread', 'tpark-never', 'raw-futex', 'spin', 'sem', 'mutex-cond',
         'nsync', 'ck-ec', 'urcu-wait', 'cxx-semaphore', 'rust-park', 'tpark-price-1',
         'tpark-fixed-5', 'tpark-fixed-25', 'tpark-fixed-100']
SECTIONS = {
    'D': (['processes-two-cores'], ['time']),
    'E': (['light'], ['wake']),
    'F': (['0', '1', '5', '20', '100'], ['time', 'cpu']),
    'H': (['50us', '100us', '1ms', '10ms', '50us-1ns'], ['overshoot']),
    'J': (['1', '10', '100', '1000', '10000', '100-processes'], ['all']),
    'L': (['2-one-core', '4', '8'], ['time']),
    'W': (['1us', 'exp48', 'bursts'], ['mean', 'cpu']),
}
QUANTILES = ['min', 'p1', 'p5', 'p10', 'p25', 'p50', 'p75', 'p90', 'p95', 'p99', 'p99.9', 'max']
SIZES = [400, 640, 1000, 1600]
LOOK = '''
<script>
const faults = [];
for (const svg of document.querySelectorAll('svg')) {
  const edge = svg.getBoundingClientRect();
  const labels = [...svg.querySelectorAll('text')].map(t => [t.textContent, t.getBoundingClientRect()]);
  const where = svg.parentNode.dataset.name + ' at ' + Math.round(edge.width) + ' px: ';
  labels.forEach(([words, a], i) => {
    if (a.left < edge.left || a.right > edge.right || a.top < edge.top || a.bottom > edge.bottom)
      faults.push(where + words + ' is clipped');
    for (const [others, b] of labels.slice(i + 1)) {
      const slack = edge.width / 400;
      if (a.left < b.right - slack && b.left < a.right - slack && a.top < b.bottom - slack * 2 &&
          b.top < a.bottom - slack * 2)
        faults.push(where + words + ' touches ' + others);
    }
  });
  if (!labels.length) faults.push(where + 'has no text');
}
document.body.textContent = 'FAULTS ' + JSON.stringify(faults) + ' END';
</script>
'''


def made_up(seed, spread):
    """A result whose values lie close together, or far apart."""
    chance = random.Random(seed)

    def column():
        values = sorted(chance.lognormvariate(9, spread) for _ in QUANTILES)
        return {'unit': 'ns', **dict(zip(QUANTILES, values))}

    names = {'D': ['tpark-processes', 'spin-processes', 'sem-processes', 'raw-futex-processes',
                   'mutex-cond-processes', 'eventfd-processes', 'pipe-processes']}
    return {'sections': [
        {'measurement': letter, 'section': key, 'limit': 'raw-futex',
         'entries': [{'contestant': name, 'null_pair': False,
                      'columns': {c: column() for c in columns}}
                     for name in names.get(letter, NAMES)]}
        for letter, (keys, columns) in SECTIONS.items() for key in keys]}


def draw(directory, seed, spread):
    result = directory / f'{seed}.json'
    result.write_text(json.dumps(made_up(seed, spread)))
    target = directory / str(seed)
    subprocess.run([PICTURES, result, target], check=True, stdout=subprocess.DEVNULL)
    return sorted(target.glob('*.svg'))


def main():
    if not BROWSER:
        print('there is no browser (chromium)')
        return 77
    with tempfile.TemporaryDirectory() as scratch:
        directory = pathlib.Path(scratch)
        page = ['<!doctype html><meta charset="utf-8"><body>']
        count = 0
        for seed, spread in enumerate([0.001, 0.1, 1, 2, 3]):
            for file in draw(directory, seed, spread):
                count += 1
                for size in SIZES:
                    page.append(f'<div style="width:{size}px" data-name="{file.stem} {seed}">'
                                f'{file.read_text()}</div>')
        path = directory / 'page.html'
        path.write_text('\n'.join([*page, LOOK]))
        done = subprocess.run(
            [BROWSER, '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic',
             '--no-first-run', '--disable-background-networking', '--disable-component-update',
             '--disable-sync', f'--user-data-dir={directory}/profile', '--dump-dom', path.as_uri()],
            capture_output=True, text=True, timeout=120, check=False)
        if 'FAULTS ' not in done.stdout:
            print(done.stdout[-2000:], done.stderr[-2000:], 'the browser shows no page', sep='\n')
            return 1
        faults = json.loads(done.stdout.split('FAULTS ')[1].split(' END')[0])
        for fault in faults[:20]:
            print(fault)
        print(f'{count} pictures at {len(SIZES)} sizes, {len(faults)} faults')
        return 1 if faults or count != 7 * 5 else 0


if __name__ == '__main__':
    sys.exit(main())
