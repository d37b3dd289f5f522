# SPDX-License-Identifier: Apache-2.0
"""What programs were compiled against and can't be changed behind their backs: exported symbols,
prototypes, the layout of structs and the values of enums, as lib/libkafscale.abi lists them.

Usage: abi.py [--update] LIST DOCUMENT LIBRARY HEADER_FOLDER COMPILER...

The list is that of machines with pointers of 64 bits. DOCUMENT says by which rule each struct may
grow (docs/abi.md). What is generated from Kafka's schemas has a layout number of its own and is not
in the list.
"""
import os
import re
import subprocess
import sys
import tempfile

MARKER = re.compile(r'^# \d+ "([^"]*)"')
RULES = {"fixed", "size", "version", "appended"}


def run(*command, **more):
    return subprocess.run(command, capture_output=True, text=True, check=True, **more).stdout


def public_headers(folder):
    return sorted(name for name in os.listdir(os.path.join(folder, "kafscale"))
                  if name.endswith(".h"))


def preprocessed(compiler, folder):
    """The text of our headers, macros expanded, and nothing of what they include from outside."""
    includes = "".join('#include "kafscale/%s"\n' % name for name in public_headers(folder))
    said = run(*compiler, "-E", "-x", "c", "-std=c11", "-I", folder, "-", input=includes)
    lines, ours = [], False
    for line in said.split("\n"):
        marker = MARKER.match(line)
        if marker:
            ours = "/kafscale/" in marker[1]
        elif ours:
            lines.append(line)
    return "\n".join(lines)


def declarations(text):
    """Each declaration at the outermost level, in one line."""
    depth, code = 0, ""
    for c in text:
        depth += {"{": 1, "}": -1}.get(c, 0)
        code += c
        if depth == 0 and (c == ";" or c == "}" and code.lstrip().startswith("static")):
            yield " ".join(code.split()).replace("( ", "(")
            code = ""


def prototype(code):
    """Name and type of an exported function, or None."""
    if 'visibility("default")' not in code:
        return None
    code = re.sub(r"__attribute__\(\(.*?\)\)\s?(?=\w|_)", "", code).rstrip(" ;")
    return re.search(r"\b(\w+)\(", code)[1], code


def members(body):
    """The names of a struct's members."""
    depth, start, found = 0, 0, []
    for at, c in enumerate(body):
        depth += {"(": 1, "{": 1, ")": -1, "}": -1}.get(c, 0)
        if c == ";" and depth == 0:
            found.append(body[start:at])
            start = at + 1
    for member in found:
        pointer = re.search(r"\(\*(\w+)\)", member)
        yield pointer[1] if pointer else re.search(r"(\w+)(\s*\[[^\]]*\])*\s*$", member)[1]


class Interface:
    """All that the headers promise."""

    def __init__(self, text):
        self.functions, self.types, self.structs, self.enums = {}, [], {}, {}
        for code in declarations(text):
            function = prototype(code)
            struct = re.match(r"struct (\w+) \{(.*)\};$", code)
            enum = re.match(r"enum (\w+)? ?\{(.*)\};$", code)
            if function:
                self.functions[function[0]] = function[1]
            elif struct:
                self.structs[struct[1]] = list(members(struct[2]))
            elif enum:
                names = re.findall(r"(?:^|,)\s*(\w+)", enum[2])
                self.enums.setdefault(enum[1] or "", []).extend(names)
            elif code.startswith("typedef"):
                self.types.append(code.rstrip(" ;"))

    def program(self, folder):
        """C that prints layouts and values."""
        lines = ["#include <stddef.h>", "#include <stdio.h>"]
        lines += ['#include "kafscale/%s"' % name for name in public_headers(folder)]
        lines += ["int main(void) {"]
        for name, inner in sorted(self.structs.items()):
            lines.append('printf("struct %s: %%zu bytes\\n", sizeof(struct %s));' % (name, name))
            for member in inner:
                lines.append('printf("struct %s.%s: at %%zu, %%zu bytes\\n",' % (name, member))
                lines.append('offsetof(struct %s, %s), sizeof(((struct %s *) 0)->%s));'
                             % (name, member, name, member))
        for name, values in sorted(self.enums.items()):
            for value in values:
                lines.append('printf("enum %s: %s = %%d\\n", (int) %s);' % (name, value, value))
        return "\n".join(lines + ["return 0; }", ""])

    def listed(self, compiler, folder):
        """The lines of the list."""
        with tempfile.TemporaryDirectory(prefix="kafscale-abi-") as room:
            program = os.path.join(room, "layout")
            run(*compiler, "-x", "c", "-std=c11", "-w", "-I", folder, "-o", program, "-",
                input=self.program(folder))
            layout = run(program, env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
        functions = ["function " + code for _, code in sorted(self.functions.items())]
        return functions + sorted(self.types) + layout.strip().split("\n")


def exported(library):
    """The names that the shared library shows, but that of its version."""
    names = {line.split()[-1].split("@")[0]
             for line in run("nm", "-D", "--defined-only", library).splitlines()}
    return {name for name in names if not re.fullmatch(r"KAFSCALE_\d+", name)}


def rules(document):
    """Struct -> its rule, as the table of the document has them."""
    with open(document, encoding="utf-8") as file:
        rows = re.findall(r"^\| `(\w+)` \| (\w+) \|", file.read(), re.M)
    return dict(rows)


def wrong_rules(interface, stated, layout):
    """Structs without a rule, rules without a struct, and what a struct lacks for its rule."""
    for name in sorted(set(interface.structs) - set(stated)):
        yield "struct %s has no rule in docs/abi.md" % name
    for name in sorted(set(stated) - set(interface.structs)):
        yield "docs/abi.md has a rule for %s, which no header shows" % name
    for name, rule in sorted(stated.items()):
        if rule not in RULES:
            yield "docs/abi.md: no such rule: %s" % rule
        first = "struct %s.%s: at 0, %d bytes" % (name, rule, 8 if rule == "size" else 4)
        if rule in ("size", "version") and first not in layout:
            yield "struct %s doesn't begin with its %s" % (name, rule)


def differences(listed, found):
    for line in sorted(set(listed) - set(found)):
        yield "no longer so: " + line
    for line in sorted(set(found) - set(listed)):
        yield "not in the list: " + line


def main(update, path, document, library, folder, *compiler):
    interface = Interface(preprocessed(compiler, folder))
    found = interface.listed(compiler, folder)
    wrong = ["%s is shown by the library and by no header" % name
             for name in sorted(exported(library) - set(interface.functions))]
    wrong += ["%s is shown by a header and not by the library" % name
              for name in sorted(set(interface.functions) - exported(library))]
    wrong += ["%s doesn't begin with kafscale_" % name
              for name in sorted(exported(library)) if not name.startswith("kafscale_")]
    wrong += wrong_rules(interface, rules(document), found)
    if update:
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(found) + "\n")
    else:
        with open(path, encoding="utf-8") as file:
            wrong += differences(file.read().splitlines(), found)
    for line in wrong:
        print(line)
    if wrong:
        print("docs/abi.md says what a change means, and how to write the list anew.")
    return 1 if wrong else 0


if __name__ == "__main__":
    UPDATE = sys.argv[1] == "--update"
    sys.exit(main(UPDATE, *sys.argv[1 + UPDATE:]))
