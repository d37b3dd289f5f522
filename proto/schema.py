# SPDX-License-Identifier: Apache-2.0
"""Reads the message schemas in proto/kafka. docs/protocol.md describes their language.

A schema is indented text, one field a line: name, type, versions, and then `tag N`, `= default`,
`ignorable` where they apply. A struct or an array of structs is followed by its fields, indented.
"""
import re
import sys

INDENT = 4
VERSION_LAST = 32767
SLICE = 'struct kafscale_slice'
SCALARS = {
    'bool': ('bool', 'BOOL'), 'int8': ('int8_t', 'INT8'), 'int16': ('int16_t', 'INT16'),
    'uint16': ('uint16_t', 'UINT16'), 'int32': ('int32_t', 'INT32'), 'int64': ('int64_t', 'INT64'),
    'float64': ('double', 'FLOAT64'), 'uuid': ('uint8_t', 'UUID'), 'error': ('int16_t', 'INT16'),
    'string': (SLICE, 'STRING'), 'bytes': (SLICE, 'BYTES'),
    'records': ('struct kafka_records', 'RECORDS')}
FIELD = re.compile(r"""(?P<name>[a-z][a-z0-9_]*) \s+ (?P<array>\[\])? (?P<type>\{\}|[a-z][a-z0-9]*)?
                       (?P<null>\?(?P<null_from>\d+\+)?)? (\s+(?P<versions>\d+(\+|-\d+)?))?
                       (\s+tag\s+(?P<tag>\d+))?
                       (\s+=\s*(?P<default>null|true|false|-?\d+|0x[0-9a-f]+))?
                       (\s+(?P<ignorable>ignorable))? $""", re.X)
HEADLINE = re.compile(r"""api \s+ (?P<key>\d+) \s+ (?P<name>[a-z_]+)
                          \s+versions\s+ (?P<first>\d+)-(?P<last>\d+)
                          \s+flexible\s+ (?P<flexible>\d+\+|none) $""", re.X)


class SchemaError(Exception):
    """A line of a schema that is not in the language."""


class Message:
    """A struct: the fields of a request, of a response, or of what they hold."""

    def __init__(self, name, comment):
        self.name, self.comment, self.fields = name, comment, []


class Field:
    """One line of a struct."""

    def __init__(self, match, comment):
        self.name, self.comment, self.element = match['name'], comment, None
        self.is_array, self.type = bool(match['array']), match['type'] or '{}'
        null_from = int((match['null_from'] or '0+')[:-1])
        self.null_from = null_from if match['null'] else VERSION_LAST
        self.first, self.last = versions(match['versions'])
        self.tag = -1 if match['tag'] is None else int(match['tag'])
        self.default, self.ignorable = match['default'], bool(match['ignorable'])

    def is_struct(self):
        return self.type == '{}'

    def c_type(self):
        return 'struct ' + self.element.name if self.is_struct() else SCALARS[self.type][0]

    def members(self):
        """Its C members; the first one is where the table row points to."""
        size = '[16]' if self.type == 'uuid' else ''
        if self.is_array:
            pointer = f'(*{self.name}){size}' if size else f'*{self.name}'
            return [f'{self.c_type()} {pointer}', f'int32_t {self.name}_count']
        if self.is_struct() and self.null_from < VERSION_LAST:
            return [f'{self.c_type()} *{self.name}']
        return [f'{self.c_type()} {self.name}{size}']


def versions(text):
    if text is None:
        return 0, VERSION_LAST
    if text.endswith('+'):
        return int(text[:-1]), VERSION_LAST
    first, _, last = text.partition('-')
    return int(first), int(last or first)


def singular(word):
    for plural, one in (('ies', 'y'), ('sses', 'ss'), ('ches', 'ch'), ('ss', 'ss'), ('s', '')):
        if word.endswith(plural):
            return word[:-len(plural)] + one
    return word


def split_comment(line):
    text, _, comment = line.partition('#')
    return text.rstrip(), comment.strip()


def parse_field(text, comment):
    match = FIELD.match(text.strip())
    if not match or not (match['type'] or match['array']):
        raise SchemaError(f'not a field: {text.strip()}')
    field = Field(match, comment)
    if not field.is_struct() and field.type not in SCALARS:
        raise SchemaError(f'no such type: {field.type}')
    return field


class Parser:
    """One schema file. `stack` is the path of open structs, by indentation."""

    def __init__(self):
        self.headline, self.comments, self.messages, self.stack = None, [], {}, []

    def structs(self):
        """Every struct of the API, those it holds before itself, as C wants them."""
        return [struct for message in self.messages.values() for struct in inside_out(message)]

    def line(self, line):
        text, comment = split_comment(line)
        if not text:
            if comment and not comment.startswith('SPDX') and self.headline is None:
                self.comments.append(comment)
        elif self.headline is None:
            self.headline = HEADLINE.match(text)
            if not self.headline:
                raise SchemaError(f'not a headline: {text}')
        elif text in ('request', 'response'):
            self.open_message(text)
        else:
            self.add_field(text, comment)

    def open_message(self, direction):
        comment = ' '.join(self.comments) if direction == 'request' else ''
        message = Message(f"kafka_{self.headline['name']}_{direction}", comment)
        self.messages[direction] = message
        self.stack = [message]

    def add_field(self, text, comment):
        depth, rest = divmod(len(text) - len(text.lstrip()), INDENT)
        if rest or depth < 1 or depth > len(self.stack):
            raise SchemaError(f'odd indentation: {text}')
        del self.stack[depth:]
        field = parse_field(text, comment)
        self.stack[-1].fields.append(field)
        if field.is_struct():
            name = singular(field.name) if field.is_array else field.name
            field.element = Message(f'{self.stack[-1].name}_{name}', '')
            self.stack.append(field.element)


def parse(path):
    parser = Parser()
    with open(path, encoding='utf-8') as schema:
        for number, line in enumerate(schema, 1):
            try:
                parser.line(line.rstrip('\n'))
            except SchemaError as error:
                sys.exit(f'{path}:{number}: {error}')
    if set(parser.messages) != {'request', 'response'}:
        sys.exit(f'{path}: needs a request and a response')
    return parser


def inside_out(message):
    for field in message.fields:
        if field.element:
            yield from inside_out(field.element)
    yield message
