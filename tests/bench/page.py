# SPDX-License-Identifier: Apache-2.0
"""The page with the results, docs/benchmarks.md: a section for each benchmark, below a line. What a
run measured is replaced, what it didn't stays with the date and commit of its own.
"""
import os
import shutil

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
PAGE = os.path.join(ROOT, "docs", "benchmarks.md")
PICTURES = os.path.join(ROOT, "docs", "benchmarks")
BEGIN = "<!-- run.py writes from here on -->\n"
HEAD = "### "


def title(name):
    return name[0].upper() + name[1:]


def text_of(value):
    return "%.0f" % value if abs(value) >= 1000 else "%.3g" % value


def sections_of(text):
    """The text of each section by its title."""
    parts = ("\n" + text).split("\n" + HEAD)[1:]
    return {part.partition("\n")[0]: HEAD + part.strip("\n") + "\n" for part in parts}


def replaced(page, machine, names, made):
    """The page with these sections, in the order of names."""
    above, _, below = page.partition(BEGIN)
    sections = {**sections_of(below), **{title(name): "\n".join(made[name]) + "\n"
                                         for name in made}}
    kept = [sections[title(name)] for name in names if title(name) in sections]
    return above + BEGIN + "\n" + "\n".join([machine + "\n", *kept])


def write(machine, names, made, pictures):
    """`made` has the lines of each section by the benchmark's name, `pictures` are files."""
    with open(PAGE, encoding="utf-8") as file:
        page = replaced(file.read(), machine, names, made)
    with open(PAGE, "w", encoding="utf-8") as file:
        file.write(page)
    os.makedirs(PICTURES, exist_ok=True)
    for picture in pictures:
        shutil.copyfile(picture, os.path.join(PICTURES, os.path.basename(picture)))
