# SPDX-License-Identifier: LGPL-2.1-or-later
"""Emits wire_messages.h: a struct per message and the functions on it."""

from .c import NOTICE, Writer, default_value, element_type

INTRODUCTION = """#pragma once

/* One struct per message for all versions, with the names of Kafka in snake case. What a field needs to be told of is
 * behind it: the versions that have it (when not all), those in which it may be null, its tag, its default.
 *
 * Arrays are a pointer and a count, n_X == -1 is the null array; strings, bytes and records point into the frame that
 * was decoded, data == NULL is null. Decoding sets fields that the version lacks to their defaults, takes memory for
 * arrays from the arena, and stops behind the message (wire_decode_end() checks that nothing is left). It returns 0,
 * -EBADMSG (malformed), -ENOMEM (limit of the arena) or -EPROTONOSUPPORT (no such version), which also sticks in r;
 * the struct is then undefined. Encoding sets -EPROTO in w when the message can't be said in the version: null where
 * it can't be null, or a value other than the default in a field that the version lacks and that isn't ignorable.
 * X_init() sets the defaults: use it before filling in a message, and on each element of its arrays. */

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/cursor.h"
#include "base/slice.h"
#include "base/uuid.h"
#include "wire/gaps.h"
"""


def remark(f):
    words = []
    if f.versions != f.of:
        words.append(f"{f.versions}" if f.versions.high < f.of.high else f"{f.versions.low}+")
    if f.nullable is not None:
        words.append("nullable" if f.nullable == f.versions else f"nullable {f.nullable}")
    if f.tag is not None:
        words.append(f"tag {f.tag}")
    if f.default is None:
        words.append("default null")
    elif f.struct is None and not f.is_array and f.default not in (0, False, ""):
        words.append(f"default {default_value(f)}")
    if f.ignorable and f.versions != f.of:
        words.append("ignorable")
    return f" /* {', '.join(words)} */" if words else ""


def struct(w, s):
    w.add("", f"struct {s.c_name} {{")
    for f in s.fields:
        f.of = s.versions
        pointer = "*" if f.is_array or (f.is_struct and f.nullable is not None) else ""
        w.add(f"{element_type(f)} {pointer}{f.name};" + remark(f))
        if f.is_array:
            w.add(f"int32_t n_{f.name};")
    w.add("};", f"void {s.c_name}_init(struct {s.c_name} *m);")


def message(w, m):
    for s in m.structs + [m.body]:
        struct(w, s)
    c = m.c_name
    w.add("", f"int {c}_decode(struct {c} *m, struct rd *r, int16_t version, struct arena *a);",
          f"void {c}_encode(const struct {c} *m, struct wr *w, int16_t version);")
    if m.is_streamed:
        w.add("/* Leaves out the records that are elsewhere, see wire/gaps.h. */",
              f"void {c}_encode_gaps(const struct {c} *m, struct wr *w, int16_t version, struct wire_gaps *gaps);")


def emit(schema):
    w = Writer()
    w.add(*(NOTICE + INTRODUCTION).rstrip("\n").split("\n"))
    if schema.apis:
        keys = [f"WIRE_API_{api.name.upper()} = {api.key}," for api in schema.apis]
        w.add("", "/* Keys of the APIs that have a schema. */", "enum wire_api_key {", *keys, "};")
    for m in schema.messages:
        w.add("", f"/* {m.name.replace('_', ' ')}, versions {m.versions} */")
        message(w, m)
    return w.text()
