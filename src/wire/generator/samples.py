# SPDX-License-Identifier: LGPL-2.1-or-later
"""Emits what only tests need: functions that fill messages with random values, and that compare them."""

from .c import NOTICE, Writer, block, condition, guarded, truth

INCLUDES = ("base/util.h", "wire/primitives.h", "wire/sample.h")


def fill_element(f, target):
    nullable = "false" if f.is_array else truth(f.nullable, f.versions)
    if f.struct is not None:
        return f"fill_{f.struct.c_name}(&{target}, s, version);"
    if f.is_slice or f.type in ("string", "bytes", "records"):
        return f"{target} = sample_{'string' if f.type == 'string' else 'bytes'}(s, {nullable});"
    if f.type in ("bool", "float64", "uuid"):
        return f"{target} = sample_{f.type}(s);"
    return f"{target} = ({f.type}_t)rand_edgy_u64(&s->rand);"


def fill_field(f):
    x = f"m->{f.name}"
    nullable = truth(f.nullable, f.versions)
    if f.is_array:
        return [
            f"m->n_{f.name} = sample_count(s, {nullable});",
            f"{x} = sample_array(s, m->n_{f.name}, sizeof(*{x}));",
            f"for (int32_t i = 0; i < m->n_{f.name}; i++)",
            "    " + fill_element(f, f"{x}[i]"),
        ]
    if f.is_struct and f.nullable is not None:
        return [f"{x} = sample_array(s, sample_is_null(s, {nullable}) ? 0 : 1, sizeof(*{x}));",
                *guarded(f"{x} != NULL", [fill_element(f, f"(*{x})")])]
    return [fill_element(f, x)]


def fill(w, struct):
    body = [f"{struct.c_name}_init(m);"]
    for f in struct.fields:
        lines = fill_field(f)
        if f.tag is not None:
            lines = guarded("rand_chance(&s->rand, 1, 2)", lines)
        body += block(condition(f.versions, struct.versions), lines)
    w.function(f"static void fill_{struct.c_name}(struct {struct.c_name} *m, struct sample *s, int16_t version)", body)


def differs_element(f, a, b):
    if f.struct is not None:
        return f"!equal_{f.struct.c_name}(&{a}, &{b})"
    if f.type in ("string", "bytes", "records"):
        return f"!slice_eq({a}, {b})"
    if f.type in ("uuid", "float64"):
        return f"memcmp(&{a}, &{b}, sizeof({a})) != 0"
    return f"{a} != {b}"


def compare_field(f):
    a, b = f"a->{f.name}", f"b->{f.name}"
    if f.is_array:
        return [*guarded(f"a->n_{f.name} != b->n_{f.name}", ["return false;"]),
                f"for (int32_t i = 0; i < a->n_{f.name}; i++)",
                f"    if ({differs_element(f, a + '[i]', b + '[i]')})",
                "        return false;"]
    if f.is_struct and f.nullable is not None:
        return [*guarded(f"({a} == NULL) != ({b} == NULL)", ["return false;"]),
                *guarded(f"{a} != NULL && {differs_element(f, f'(*{a})', f'(*{b})')}", ["return false;"])]
    return guarded(differs_element(f, a, b), ["return false;"])


def equal(w, struct):
    c = struct.c_name
    body = [line for f in struct.fields for line in compare_field(f)]
    w.function(f"static bool equal_{c}(const struct {c} *a, const struct {c} *b)", body + ["return true;"])


def emit(schema, header, prefix):
    w = Writer()
    w.add(*NOTICE.rstrip("\n").split("\n"), f'#include "{header}"', "", "#include <string.h>", "")
    w.add(*(f'#include "{name}"' for name in INCLUDES))
    for m in schema.messages:
        for struct in m.structs + [m.body]:
            fill(w, struct)
            equal(w, struct)
        w.function(f"static void fill_any_{m.name}(void *m, struct sample *s, int16_t version)",
                   [f"fill_{m.c_name}(m, s, version);"])
        w.function(f"static bool equal_any_{m.name}(const void *a, const void *b)",
                   [f"return equal_{m.c_name}(a, b);"])
    w.add("", f"const struct sample_functions {prefix}_samples[] = {{")
    for m in schema.messages:
        w.add(f"{{ fill_any_{m.name}, equal_any_{m.name} }},")
    w.add("};")
    return w.text()
