# SPDX-License-Identifier: LGPL-2.1-or-later
"""Emits wire_messages.c: decoders, encoders, defaults and the tables."""

from .c import (NOTICE, Writer, block, by_version, condition, differs_from_default, element_type, guarded,
                negated, set_default, truth)
from .schema import element_min_size

GETTERS = {
    "int8": "(int8_t)rd_u8({r})", "int16": "(int16_t)rd_be16({r})", "int32": "(int32_t)rd_be32({r})",
    "int64": "(int64_t)rd_be64({r})", "uint16": "rd_be16({r})", "uint32": "rd_be32({r})", "bool": "rd_u8({r}) != 0",
    "float64": "wire_get_float64({r})", "uuid": "wire_get_uuid({r})",
}
PUTTERS = {
    "int8": "wr_u8(w, (uint8_t){x});", "int16": "wr_be16(w, (uint16_t){x});", "int32": "wr_be32(w, (uint32_t){x});",
    "int64": "wr_be64(w, (uint64_t){x});", "uint16": "wr_be16(w, {x});", "uint32": "wr_be32(w, {x});",
    "bool": "wr_u8(w, {x} ? 1 : 0);", "float64": "wire_put_float64(w, {x});", "uuid": "wire_put_uuid(w, &{x});",
}


def compact(f):
    """The C name for "this field has the compact form"; a constant where that doesn't depend on the version."""
    m = f.message
    if f.inflexible or m.flexible_versions is None:
        return "false"
    return "true" if condition(m.flexible_versions, m.versions) == "" or f.tag is not None else "flexible"


def flexible_local(message, lines):
    """Declares `flexible` when the lines use it."""
    if any("flexible" in line for line in lines):
        return [f"bool flexible = {truth(message.flexible_versions, message.versions)};"]
    return []


def get_element(f, target, r="r"):
    """Statement that reads a value of the field's type; null is only known to fields that are no arrays."""
    nullable = "false" if f.is_array else truth(f.nullable, f.versions)
    if f.struct is not None:
        return f"get_{f.struct.c_name}(&{target}, {r}, version, a);"
    if f.type in GETTERS:
        return f"{target} = {GETTERS[f.type].format(r=r)};"
    what = "string" if f.type == "string" else "bytes"
    return f"{target} = wire_get_{what}({r}, {compact(f)}, {nullable});"


def get_field(f, r="r", error="r->error"):
    """Statements that read a field from the cursor r, whose error is `error`."""
    x = f"m->{f.name}"
    if f.is_array:
        size = by_version(f.versions, lambda v: element_min_size(f, v, f.message.is_flexible(v)))
        return [
            f"m->n_{f.name} = wire_get_count({r}, {compact(f)}, {truth(f.nullable, f.versions)}, {size});",
            f"{x} = wire_get_array({r}, a, m->n_{f.name}, sizeof(*{x}));",
            f"for (int32_t i = 0; i < m->n_{f.name} && {error} == 0; i++)",
            "    " + get_element(f, f"{x}[i]", r),
        ]
    if f.is_struct and f.nullable is not None:
        is_null = truth(f.nullable, f.versions)
        guard = f"wire_get_presence({r})" if is_null == "true" else f"!({is_null}) || wire_get_presence({r})"
        return [
            f"{x} = NULL;",
            f"if ({guard})",
            f"    {x} = wire_get_array({r}, a, 1, sizeof(*{x}));",
            f"if ({x} != NULL)",
            f"    get_{f.struct.c_name}({x}, {r}, version, a);",
        ]
    return [get_element(f, x, r)]


def get_tags(struct):
    m = struct.message
    tagged = struct.tagged_fields
    if not tagged:
        return block(condition(m.flexible_versions, m.versions), ["wire_skip_tags(r);"])
    loop = ["for (wire_tags_begin(&t, r); wire_tags_next(&t);) {", "switch (t.tag) {"]
    for f in tagged:
        read = get_field(f, "&t.value", "t.value.error") + ["wire_tag_end(&t);"]
        loop += [f"case {f.tag}:", *block(condition(f.versions, m.flexible_versions), read), "break;"]
    loop += ["}", "}"]
    return block(condition(m.flexible_versions, m.versions), ["struct wire_tags t;", ""] + loop)


def grouped(struct, present, absent):
    """Statements for all plain fields, where neighbours of the same versions share a condition."""
    out, group = [], None

    def flush():
        if group is not None:
            out.extend(block(*group))

    for f in struct.plain_fields:
        cond = condition(f.versions, struct.versions)
        if group is None or group[0] != cond:
            flush()
            group = (cond, [], [])
        group[1].extend(present(f))
        group[2].extend(absent(f))
    flush()
    return out


def expansion(w, struct):
    """Asserts that arrays take no more memory per byte of the frame than frame.h promises."""
    for f in struct.fields:
        is_allocated = f.is_array or (f.is_struct and f.nullable is not None)
        if is_allocated:
            smallest = min(element_min_size(f, v, f.message.is_flexible(v)) for v in f.versions)
            w.add("", f"static_assert(sizeof({element_type(f)}) <= WIRE_DECODE_EXPANSION * {smallest},",
                  f'              "{struct.c_name}.{f.name} takes too much memory");')


def decoder(w, struct):
    c, m = struct.c_name, struct.message
    expansion(w, struct)
    body = grouped(struct, get_field, set_default)
    for f in struct.tagged_fields:
        body += set_default(f)
    if m.flexible_versions is not None:
        body += get_tags(struct)
    locals_ = flexible_local(m, body)
    w.function(f"static void get_{c}(struct {c} *m, struct rd *r, int16_t version, struct arena *a)",
               locals_ + ([""] if locals_ else []) + body)


def put_element(f, source):
    nullable = "false" if f.is_array else truth(f.nullable, f.versions)
    if f.struct is not None:
        gaps = ", gaps" if f.message.is_streamed else ""
        return f"put_{f.struct.c_name}(&{source}, w, version{gaps});"
    if f.type in PUTTERS:
        return PUTTERS[f.type].format(x=source)
    if f.streamed:
        return f"wire_put_records(w, &{source}, {compact(f)}, {nullable}, gaps);"
    what = "string" if f.type == "string" else "bytes"
    return f"wire_put_{what}(w, {source}, {compact(f)}, {nullable});"


def put_field(f):
    x = f"m->{f.name}"
    if f.is_array:
        return [
            f"wire_put_count(w, m->n_{f.name}, {compact(f)}, {truth(f.nullable, f.versions)});",
            f"for (int32_t i = 0; i < m->n_{f.name}; i++)",
            "    " + put_element(f, f"{x}[i]"),
        ]
    if f.is_struct and f.nullable is not None:
        return [
            f"if (wire_put_presence(w, {x} != NULL, {truth(f.nullable, f.versions)}))",
            "    " + put_element(f, f"(*{x})"),
        ]
    return [put_element(f, x)]


def refuse(f):
    """What to do with a field that the version lacks."""
    return [] if f.ignorable else guarded(differs_from_default(f), ["wr_fail(w, -EPROTO);"])


def put_tags(struct):
    """The tagged fields that differ from their defaults; refuses those that the version lacks."""
    m = struct.message
    tagged = struct.tagged_fields
    flexible = condition(m.flexible_versions, m.versions)
    if not tagged:
        return block(flexible, ["wr_uvarint(w, 0);"])
    out, refused = [], []
    for f in tagged:
        has = condition(f.versions, m.flexible_versions)
        out.append(f"bool has_{f.name} = {has + ' && ' if has else ''}{differs_from_default(f)};")
    out += ["", f"wr_uvarint(w, {' + '.join(f'(uint32_t)has_{f.name}' for f in tagged)});"]
    for f in tagged:
        out += [f"if (has_{f.name}) {{", f"size_t at = wire_put_tag_begin(w, {f.tag});", "", *put_field(f),
                "wire_put_tag_end(w, at);", "}"]
        cond = condition(f.versions, m.versions)
        if cond and not f.ignorable:
            refused += guarded(f"{negated(cond)} && {differs_from_default(f)}", ["wr_fail(w, -EPROTO);"])
    return (guarded(flexible, out) if flexible else ["{", *out, "}"]) + refused


def encoder(w, struct):
    c, m = struct.c_name, struct.message
    gaps = ", struct wire_gaps *gaps" if m.is_streamed else ""
    body = grouped(struct, put_field, refuse)
    if m.flexible_versions is not None:
        body += put_tags(struct)
    locals_ = flexible_local(m, body)
    w.function(f"static void put_{c}(const struct {c} *m, struct wr *w, int16_t version{gaps})",
               locals_ + ([""] if locals_ else []) + body)


def init(w, struct):
    body = []
    for f in struct.fields:
        body += set_default(f)
    w.function(f"void {struct.c_name}_init(struct {struct.c_name} *m)", body)


def is_default(w, struct):
    equal = " && ".join(negated(differs_from_default(f)) for f in struct.fields)
    w.function(f"static bool is_default_{struct.c_name}(const struct {struct.c_name} *m)", [f"return {equal};"])


def entries(w, m):
    """The functions of a message that other modules call, and their twins without types for the table."""
    c = m.c_name
    no_version = f"if (version < {m.versions.low} || version > {m.versions.high})"
    w.function(f"int {c}_decode(struct {c} *m, struct rd *r, int16_t version, struct arena *a)",
               [no_version, "    rd_fail(r, -EPROTONOSUPPORT);", "else", f"    get_{c}(m, r, version, a);",
                "return r->error;"])
    gaps, null = (", struct wire_gaps *gaps", ", gaps") if m.is_streamed else ("", "")
    w.function(f"void {c}_encode{'_gaps' if m.is_streamed else ''}(const struct {c} *m, struct wr *w, "
               f"int16_t version{gaps})",
               [no_version, "    wr_fail(w, -EPROTO);", "else", f"    put_{c}(m, w, version{null});"])
    if m.is_streamed:
        w.function(f"void {c}_encode(const struct {c} *m, struct wr *w, int16_t version)",
                   [f"{c}_encode_gaps(m, w, version, NULL);"])
    w.function(f"static int decode_{m.name}(void *m, struct rd *r, int16_t version, struct arena *a)",
               [f"return {c}_decode(m, r, version, a);"])
    w.function(f"static void encode_{m.name}(const void *m, struct wr *w, int16_t version)",
               [f"{c}_encode(m, w, version);"])
    w.function(f"static void init_{m.name}(void *m)", [f"{c}_init(m);"])


def message(w, m):
    structs = m.structs + [m.body]
    for s in structs:
        for f in s.fields:
            f.message = m
    embedded = [f.struct for s in structs for f in s.fields if f.is_struct and f.nullable is None]
    for s in structs:
        init(w, s)
        if s in embedded and needs_default_check(structs, s):
            is_default(w, s)
    for s in structs:
        decoder(w, s)
        encoder(w, s)
    entries(w, m)


def needs_default_check(structs, struct):
    """True when some encoder or some other check asks whether the struct has its defaults."""
    for s in structs:
        for f in s.fields:
            if f.struct is struct and f.is_struct and f.nullable is None:
                if f.tag is not None or (f.versions != s.versions and not f.ignorable):
                    return True
                if needs_default_check(structs, s):
                    return True
    return False


def info(m):
    api_key = m.api.key if m.api else -1
    flexible = "INT16_MAX" if m.first_flexible is None else m.first_flexible
    return ["{", f".api_key = {api_key},", f'.name = "{m.name}",',
            f".is_request = {'true' if m.is_request else 'false'},",
            f".min_version = {m.versions.low},", f".max_version = {m.versions.high},",
            f".first_flexible = {flexible},", f".struct_size = sizeof(struct {m.c_name}),",
            f".init = init_{m.name},", f".decode = decode_{m.name},", f".encode = encode_{m.name},", "},"]


def tables(w, schema, prefix):
    index = {m: i for i, m in enumerate(schema.messages)}
    w.add("", f"const struct wire_message_info {prefix}_messages[] = {{")
    for m in schema.messages:
        w.add(*info(m))
    w.add("};", "", f"const size_t {prefix}_n_messages = {len(schema.messages)};")
    if not schema.apis:
        return
    w.add("", f"const struct wire_api {prefix}_apis[] = {{")
    for api in schema.apis:
        flexible = "INT16_MAX" if api.first_flexible is None else api.first_flexible
        w.add("{", f".key = {api.key},", f'.name = "{api.kafka_name}",', f".min_version = {api.versions.low},",
              f".max_version = {api.versions.high},", f".min_served = {api.served.low},",
              f".first_flexible = {flexible},",
              f".request = &{prefix}_messages[{index[api.request]}],",
              f".response = &{prefix}_messages[{index[api.response]}],", "},")
    w.add("};", "", f"const size_t {prefix}_n_apis = {len(schema.apis)};")


def emit(schema, header, prefix):
    w = Writer()
    w.add(*NOTICE.rstrip("\n").split("\n"))
    w.add(f'#include "{header}"', "", "#include <assert.h>", "#include <errno.h>", "")
    w.add(*(f'#include "wire/{name}.h"' for name in ("api", "frame", "primitives")))
    for m in schema.messages:
        message(w, m)
    tables(w, schema, prefix)
    return w.text()
