# SPDX-License-Identifier: Apache-2.0
"""proto/generate.py: a tiny schema gives exactly the expected C, and a line it does not understand
is named. Prints TAP. Usage: protocol_generator_test.py GENERATOR DATA_DIRECTORY
"""
import os
import subprocess
import sys
import tempfile

HEADLINE = 'api 1 a versions 0-1 flexible 1+\n'
WRONG = [
    ('request\n', '1: not a headline: request'),
    (HEADLINE + '    a int8\n', '2: odd indentation:     a int8'),
    (HEADLINE + 'request\n  a int8\n', '3: odd indentation:   a int8'),
    (HEADLINE + 'request\n    a int9\n', '3: no such type: int9'),
    (HEADLINE + 'request\n    a int8 = x\n', '3: not a field: a int8 = x'),
    (HEADLINE + 'request\n    a\n', '3: not a field: a'),
    (HEADLINE + 'request\n', ' needs a request and a response'),
]


def generate(generator, directory, schema):
    """What it made, as (header, tables, source), and what it complained of."""
    outputs = [os.path.join(directory, name) for name in ('made.h', 'made_tables.h', 'made.c')]
    run = subprocess.run([sys.executable, '-B', generator, *outputs, schema], check=False,
                         capture_output=True, text=True)
    if run.returncode != 0:
        return None, run.stderr.strip()
    return [read(output) for output in outputs], ''


def read(path):
    with open(path, encoding='utf-8') as file:
        return file.read()


def gives_expected(generator, data, directory):
    made, _ = generate(generator, directory, os.path.join(data, 'weather.api'))
    return made == [read(os.path.join(data, 'weather.h.expected')),
                    read(os.path.join(data, 'weather_tables.h.expected')),
                    read(os.path.join(data, 'weather.c.expected'))]


def names_wrong_line(generator, directory, text, complaint):
    path = os.path.join(directory, 'wrong.api')
    with open(path, 'w', encoding='utf-8') as schema:
        schema.write(text)
    made, said = generate(generator, directory, path)
    return made is None and said == path + ':' + complaint


def main(generator, data):
    with tempfile.TemporaryDirectory() as directory:
        results = [('the expected C comes out', gives_expected(generator, data, directory))]
        for text, complaint in WRONG:
            results.append(('refused, line ' + complaint,
                            names_wrong_line(generator, directory, text, complaint)))
    print(f'1..{len(results)}')
    for number, (name, passed) in enumerate(results, 1):
        print(f"{'ok' if passed else 'not ok'} {number} - {name}")
    return 0 if all(passed for _, passed in results) else 1


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
