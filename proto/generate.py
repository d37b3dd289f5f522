# SPDX-License-Identifier: Apache-2.0
"""Turns the message schemas in proto/kafka into C: structs for handlers, tables for the codec.

What comes out has no logic: lib/protocol interprets the tables. HEADER is for everybody, TABLES is
what the library itself needs to name the tables.

Usage: generate.py HEADER TABLES SOURCE SCHEMA...
"""
import sys
import zlib

from schema import SCALARS, VERSION_LAST, parse

HEADER_START = """\
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Made by proto/generate.py from proto/kafka. The requests and responses of the Kafka protocol as
 * structs: each holds the fields of all versions (docs/protocol.md).
 */
#ifndef KAFSCALE_MESSAGES_H
#define KAFSCALE_MESSAGES_H

#include "kafscale/protocol.h"

#ifdef __cplusplus
extern "C" {
#endif
"""
LAYOUT = """\
/*
 * Changes with every change of the structs below: kafscale_codec_new() compares that of the program
 * with that of the library.
 */
#define KAFKA_MESSAGES_LAYOUT 0x%08xu
"""
TABLES_START = """\
/* SPDX-License-Identifier: Apache-2.0 */
/* Made by proto/generate.py from proto/kafka. What the library calls its tables; not installed. */
#ifndef KAFSCALE_MESSAGE_TABLES_H
#define KAFSCALE_MESSAGE_TABLES_H

struct kafka_message;
"""
HEADER_END = """
#ifdef __cplusplus
}
#endif

#endif
"""
SOURCE_START = """\
/* SPDX-License-Identifier: Apache-2.0 */
/* Made by proto/generate.py from proto/kafka. */
#include "protocol/schema.h"

#include "kafscale/messages.h"

#include <stddef.h>
"""


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
    special = {'true': '1', 'false': '0', 'null': '0', None: '0'}
    return f'INT64_C({special.get(field.default, field.default)})'


def flags_text(field):
    flags = ['KAFKA_FIELD_ARRAY'] * field.is_array + ['KAFKA_FIELD_IGNORABLE'] * field.ignorable
    flags += ['KAFKA_FIELD_DEFAULT_NULL'] * (field.default == 'null')
    flags += ['KAFKA_FIELD_ERROR'] * (field.name == 'error_code')
    return ' | '.join(flags) or '0'


def row_text(message, field):
    struct = f'struct {message.name}'
    count = f'offsetof({struct}, {field.name}_count)' if field.is_array else '0'
    return f"""\
    {{ .name = "{field.name}",
      .element = {f'&{field.element.name}_message' if field.element else 'NULL'},
      .default_value = {default_text(field)},
      .offset = offsetof({struct}, {field.name}),
      .count_offset = {count},
      .version_min = {field.first}, .version_max = {field.last},
      .null_from = {field.null_from}, .tag = {field.tag},
      .kind = KAFKA_KIND_{'STRUCT' if field.is_struct() else SCALARS[field.type][1]},
      .flags = {flags_text(field)} }},"""


def table_text(message, headline):
    flexible = VERSION_LAST if headline['flexible'] == 'none' else headline['flexible'][:-1]
    ordered = sorted(message.fields, key=lambda field: field.tag)
    rows = '\n'.join(row_text(message, field) for field in ordered)
    fields = f'{message.name}_fields' if rows else 'NULL'
    table = f'static const struct kafka_field {fields}[] = {{\n{rows}\n}};\n\n' if rows else ''
    return f"""{table}const struct kafka_message {message.name}_message = {{
    .name = "{message.name[len('kafka_'):]}",
    .fields = {fields},
    .field_count = {len(ordered)},
    .size_bytes = sizeof(struct {message.name}),
    .version_min = {headline['first']}, .version_max = {headline['last']},
    .flexible_from = {flexible},
}};
"""


def api_text(headline):
    name = headline['name']
    return f"""\
    {{ .name = "{name}", .key = {headline['key']},
      .request = &kafka_{name}_request_message, .response = &kafka_{name}_response_message,
      .version_min = {headline['first']}, .version_max = {headline['last']} }},"""


def structs(apis):
    return [message for api in apis for message in api.structs()]


def layout(apis):
    """A number that depends on all that a compiler makes of the structs, and on their order."""
    members = [(message.name, [field.members() for field in message.fields])
               for message in structs(apis)]
    return zlib.crc32(repr(members).encode())


def ids_text(apis):
    names = [message.name[len('kafka_'):].upper() for message in structs(apis)]
    return '\n'.join(['/* For kafscale_message_at(). */', 'enum kafka_message_id {',
                      ',\n'.join(f'    KAFKA_MESSAGE_{name}' for name in names), '};', ''])


def header_text(apis):
    keys = [f"    KAFKA_API_{api.headline['name'].upper()} = {api.headline['key']}" for api in apis]
    return '\n'.join([HEADER_START, LAYOUT % layout(apis), 'enum kafka_api_key {',
                      ',\n'.join(keys), '};', '', ids_text(apis),
                      '\n'.join(map(struct_text, structs(apis))).rstrip('\n'), HEADER_END])


def tables_text(apis):
    externs = [f'extern const struct kafka_message {message.name}_message;'
               for message in structs(apis)]
    return '\n'.join([TABLES_START, *externs, '', '#endif', ''])


def source_text(apis):
    tables = [table_text(message, api.headline) for api in apis for message in api.structs()]
    rows = [api_text(api.headline) for api in apis]
    return '\n'.join([
        SOURCE_START, *tables, 'const struct kafka_api_schema kafka_apis[] = {', *rows, '};', '',
        'const struct kafka_message *const kafka_messages[] = {',
        *(f'    &{message.name}_message,' for message in structs(apis)), '};', '',
        f'const size_t kafka_api_count = {len(apis)};',
        f'const size_t kafka_message_count = {len(structs(apis))};',
        'const uint32_t kafka_messages_layout = KAFKA_MESSAGES_LAYOUT;', ''])


def main(arguments):
    header, tables, source, *schemas = arguments
    apis = sorted((parse(path) for path in schemas), key=lambda api: int(api.headline['key']))
    for path, text in ((header, header_text(apis)), (tables, tables_text(apis)),
                       (source, source_text(apis))):
        with open(path, 'w', encoding='utf-8') as out:
            out.write(text)


if __name__ == '__main__':
    main(sys.argv[1:])
