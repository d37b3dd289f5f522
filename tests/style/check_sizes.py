# SPDX-License-Identifier: Apache-2.0
"""Functions and files stay small: the limits of CONTRIBUTING.md, measured; prints the figures.

A function's length runs from the line of its name to its closing brace. The largest sizes hold for
everything, the distribution for the product (include, lib, daemon).
"""
import ast
import re

from sources import c_files, code_files, main, read, without_comments

FUNCTION_LINES_MAX = 70
FUNCTION_LINES_MEDIAN = 14
FUNCTION_LINES_P90 = 40
FILE_LINES_MAX = 800
FILE_LINES_MOST = 250
PRODUCT = ("include/", "lib/", "daemon/")

TOKEN = re.compile(r'extern\s*""\s*\{|[{}()]|\w+|[^\s\w]')


def without_directives(code):
    """Blanks preprocessor lines with their continuations."""
    return re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*",
                  lambda m: "\n" * m.group(0).count("\n"), code, flags=re.M)


def opening(tokens, i):
    """The index of the parenthesis that tokens[i], a ')', closes."""
    depth = 0
    while i >= 0:
        depth += {")": 1, "(": -1}.get(tokens[i][0], 0)
        if depth == 0:
            return i
        i -= 1
    return None


def name_before(tokens, i):
    """The name token of a function whose body's brace is tokens[i], or None for another brace."""
    if i == 0 or tokens[i - 1][0] != ")":
        return None
    start = opening(tokens, i - 1)
    if not start or not re.match(r"[A-Za-z_]\w*$", tokens[start - 1][0]):
        return None
    return tokens[start - 1]


def c_functions(text):
    """(name, first line, lines) of each function definition."""
    code = without_directives(without_comments(text))
    tokens = [(m.group(0), m.start()) for m in TOKEN.finditer(code)]
    depth, name = 0, None
    for i, (token, position) in enumerate(tokens):
        if token == "{":
            name = name_before(tokens, i) if depth == 0 else name
            depth += 1
        elif token == "}" and depth > 0:
            depth -= 1
            if depth == 0 and name:
                first = code.count("\n", 0, name[1]) + 1
                yield name[0], first, code.count("\n", 0, position) + 2 - first
                name = None


def python_functions(text):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            yield node.name, node.lineno, node.end_lineno - node.lineno + 1


def functions(root):
    for path in code_files(root):
        if path.endswith((".c", ".h")):
            found = c_functions(read(root, path))
        elif path.endswith(".py"):
            found = python_functions(read(root, path))
        else:
            found = []
        for name, line, lines in found:
            yield path, name, line, lines


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0


def check_distribution(lengths, sizes):
    """The figures of the product, printed, and what is beyond its limit."""
    median, p90 = percentile(lengths, 0.5), percentile(lengths, 0.9)
    small = sum(1 for size in sizes if size < FILE_LINES_MOST)
    print("functions %d: median %d, p90 %d, max %d lines" %
          (len(lengths), median, p90, max(lengths, default=0)))
    print("files %d: median %d, p90 %d, max %d lines; %d below %d" %
          (len(sizes), percentile(sizes, 0.5), percentile(sizes, 0.9), max(sizes, default=0),
           small, FILE_LINES_MOST))
    if median > FUNCTION_LINES_MEDIAN:
        yield "median function has %d lines, limit %d" % (median, FUNCTION_LINES_MEDIAN)
    if p90 > FUNCTION_LINES_P90:
        yield "90 %% of the functions reach %d lines, limit %d" % (p90, FUNCTION_LINES_P90)
    if sizes and small * 2 <= len(sizes):
        yield "only %d of %d files are below %d lines" % (small, len(sizes), FILE_LINES_MOST)


def check(root):
    findings, lengths = [], []
    for path, name, line, lines in functions(root):
        if lines > FUNCTION_LINES_MAX:
            findings.append("%s:%d: %s has %d lines, limit %d" %
                            (path, line, name, lines, FUNCTION_LINES_MAX))
        if path.startswith(PRODUCT) and path.endswith((".c", ".h")):
            lengths.append(lines)
    for path in code_files(root):
        lines = read(root, path).count("\n")
        if lines > FILE_LINES_MAX:
            findings.append("%s: %d lines, limit %d" % (path, lines, FILE_LINES_MAX))
    sizes = [read(root, path).count("\n") for path in c_files(root) if path.startswith(PRODUCT)]
    return findings + list(check_distribution(lengths, sizes))


if __name__ == "__main__":
    main(check)
