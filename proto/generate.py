# SPDX-License-Identifier: Apache-2.0
"""Turns the message schemas in proto/kafka into C: structs for the handlers, tables for the codec.

A schema is indented text, one field a line: name, type, versions, and then `tag N`, `= default`, `ignorable` where
they apply. What comes out has no logic: lib/protocol interprets the tables. docs/protocol.md describes the language.

Usage: generate.py HEADER SOURCE SCHEMA...
"""
import re
import sys

INDENT = 4
VERSION_LAST = 32767
SCALARS = {'bool': ('bool', 'BOOL'), 'int8': ('int8_t', 'INT8'), 'int16': ('int16_t', 'INT16'),
           'uint16': ('uint16_t', 'UINT16'), 'int32': ('int32_t', 'INT32'), 'int64': ('int64_t', 'INT64'),
           'float64': ('double', 'FLOAT64'), 'uuid': ('uint8_t', 'UUID'), 'error': ('int16_t', 'INT16'),
           'string': ('struct kafscale_slice', 'STRING'), 'bytes': ('struct kafscale_slice', 'BYTES'),
           'records': ('struct kafka_records', 'RECORDS')}
FIELD = re.compile(r'(?P<name>[a-z][a-z0-9_]*)\s+(?P<array>\[\])?(?P<type>\{\}|[a-z0-9]+)?(?P<null>\?)?(?P<null_from>\d+\+)?'
                   r'(\s+(?P<versions>\d+(\+|-\d+)?))?(\s+tag\s+(?P<tag>\d+))?(\s+=\s*(?P<default>\S+))?'
                   r'(\s+(?P<ignorable>ignorable))?$')
HEADLINE = re.compile(r'api\s+(?P<key>\d+)\s+(?P<name>[a-z_]+)\s+versions\s+(?P<first>\d+)-(?P<last>\d+)'
                      r'\s+flexible\s+(?P<flexible>\d+\+|none)$')


class SchemaError(Exception):
    """A line of a schema that is not in the language."""


class Message:
    """A struct: the fields of a request, of a response, or of what they hold."""

    def __init__(self, name, comment):
        self.name, self.comment, self.fields = name, comment, []


class Field:
    def __init__(self, match, comment):
        self.name, self.comment, self.element = match['name'], comment, None
        self.is_array, self.type = bool(match['array']), match['type'] or '{}'
        self.null_from = int((match['null_from'] or '0+')[:-1]) if match['null'] else VERSION_LAST
        self.first, self.last = versions(match['versions'])
        self.tag = -1 if match['tag'] is None else int(match['tag'])
        self.default, self.ignorable = match['default'], bool(match['ignorable'])

    def is_struct(self):
        return self.type == '{}'

    def c_type(self):
        return 'struct ' + self.element.name if self.is_struct() else SCALARS[self.type][0]

    def members(self):
        """Its C members; the first one is where the table row points to."""
        if self.is_array:
            size = '[16]' if self.type == 'uuid' else ''
            star = f'(*{self.name}){size}' if size else f'*{self.name}'
            return [f'{self.c_type()} {star}', f'int32_t {self.name}_count']
        if self.is_struct() and self.null_from < VERSION_LAST:
            return [f'{self.c_type()} *{self.name}']
        return [f'{self.c_type()} {self.name}' + ('[16]' if self.type == 'uuid' else '')]


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

    def line(self, line):
        text, comment = split_comment(line)
        if not text:
            self.comments += [comment] if comment and not comment.startswith('SPDX') and not self.headline else []
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
    """Every struct of a message, those it holds before itself, as C wants them."""
    for field in message.fields:
        if field.element:
            yield from inside_out(field.element)
    yield message


def struct_text(message):
    lines = [f'/* {message.comment} */'] if message.comment else []
    lines.append(f'struct {message.name} {{')
    for field in message.fields:
        first, *others = field.members()
        lines.append(f'    {first};' + (f' /* {field.comment} */' if field.comment else ''))
        lines += [f'    {other};' for other in others]
    if not message.fields:
        lines.append('    char unused;')
    return '\n'.join(lines + ['};', ''])


def default_text(field):
    value = (field.default or '0').replace('_', '')
    value = {'true': '1', 'false': '0', 'null': '0', '""': '0', '-9223372036854775808': 'INT64_MIN'}.get(value, value)
    return value if value.startswith('INT') else f'INT64_C({value})'


def flags_text(field):
    flags = ['KAFKA_FIELD_ARRAY'] * field.is_array + ['KAFKA_FIELD_IGNORABLE'] * field.ignorable
    flags += ['KAFKA_FIELD_DEFAULT_NULL'] * (field.default == 'null')
    return ' | '.join(flags) or '0'


def row_text(message, field):
    kind = 'STRUCT' if field.is_struct() else SCALARS[field.type][1]
    element = f'&{field.element.name}_message' if field.element else 'NULL'
    count = f'offsetof(struct {message.name}, {field.name}_count)' if field.is_array else '0'
    return (f'    {{ .name = "{field.name}", .element = {element}, .default_value = {default_text(field)},\n'
            f'      .offset = offsetof(struct {message.name}, {field.name}), .count_offset = {count},\n'
            f'      .version_min = {field.first}, .version_max = {field.last}, .null_from = {field.null_from},'
            f' .tag = {field.tag},\n      .kind = KAFKA_KIND_{kind}, .flags = {flags_text(field)} }},')


def table_text(message, headline):
    flexible = str(VERSION_LAST) if headline['flexible'] == 'none' else headline['flexible'][:-1]
    ordered = sorted(message.fields, key=lambda field: field.tag)
    rows = [row_text(message, field) for field in ordered]
    text = [f'static const struct kafka_field {message.name}_fields[] = {{'] + rows + ['};', ''] if rows else []
    text += [f'const struct kafka_message {message.name}_message = {{',
             f'    .name = "{message.name[6:]}", .fields = {message.name + "_fields" if rows else "NULL"},'
             f' .field_count = {len(rows)},',
             f"    .size_bytes = sizeof(struct {message.name}), .version_min = {headline['first']},"
             f" .version_max = {headline['last']}, .flexible_from = {flexible},", '};', '']
    return '\n'.join(text)


def api_text(api):
    name = api.headline['name']
    return (f"    {{ .name = \"{name}\", .request = &kafka_{name}_request_message,"
            f" .response = &kafka_{name}_response_message,\n      .key = {api.headline['key']},"
            f" .version_min = {api.headline['first']}, .version_max = {api.headline['last']},"
            " },")


def header_text(apis):
    messages = [message for api in apis for top in api.messages.values() for message in inside_out(top)]
    keys = [f"    KAFKA_API_{api.headline['name'].upper()} = {api.headline['key']}," for api in apis]
    return '\n'.join(
        ['/* SPDX-License-Identifier: Apache-2.0 */',
         '/* Made by proto/generate.py from proto/kafka. The requests and responses of the Kafka protocol as structs:',
         ' * each holds the fields of all versions (docs/protocol.md). */',
         '#ifndef KAFSCALE_MESSAGES_H', '#define KAFSCALE_MESSAGES_H', '', '#include "kafscale/protocol.h"', '',
         '#ifdef __cplusplus', 'extern "C" {', '#endif', '', 'enum kafka_api_key {', *keys, '};', '']
        + [struct_text(message) for message in messages]
        + [f'extern const struct kafka_message {message.name}_message;' for message in messages]
        + ['', '#ifdef __cplusplus', '}', '#endif', '', '#endif', ''])


def source_text(apis):
    tables = [table_text(message, api.headline)
              for api in apis for top in api.messages.values() for message in inside_out(top)]
    return '\n'.join(
        ['/* SPDX-License-Identifier: Apache-2.0 */', '/* Made by proto/generate.py from proto/kafka. */',
         '#include "protocol/schema.h"', '', '#include "kafscale/messages.h"', '', '#include <stddef.h>', '']
        + tables
        + ['const struct kafka_api_schema kafka_apis[] = {'] + [api_text(api) for api in apis]
        + ['};', '', f'const size_t kafka_api_count = {len(apis)};', ''])


def main(arguments):
    header, source, *schemas = arguments
    apis = sorted((parse(path) for path in schemas), key=lambda api: int(api.headline['key']))
    for path, text in ((header, header_text(apis)), (source, source_text(apis))):
        with open(path, 'w', encoding='utf-8') as out:
            out.write(text)


if __name__ == '__main__':
    main(sys.argv[1:])
