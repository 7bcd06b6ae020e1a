# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the emitters share: C types, literals, conditions on the version."""

C_TYPES = {
    "int8": "int8_t", "int16": "int16_t", "int32": "int32_t", "int64": "int64_t", "uint16": "uint16_t",
    "uint32": "uint32_t", "bool": "bool", "float64": "double", "uuid": "struct uuid", "string": "struct slice",
    "bytes": "struct slice", "records": "struct slice",
}

NOTICE = """/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Made by src/wire/generate.py from src/wire/schema. Don't edit. */
"""


def element_type(f):
    return f"struct {f.struct.c_name}" if f.struct is not None else C_TYPES[f.type]


def int_literal(value):
    if value == -(1 << 63):
        return "INT64_MIN"
    if value == -(1 << 31):
        return "INT32_MIN"
    return f"INT64_C({value})" if abs(value) >= 1 << 31 else str(value)


def default_value(f):
    """The default of a scalar, string or bytes field as a C expression."""
    if f.default is None:
        return "SLICE_NULL"
    if f.type in ("string", "bytes", "records"):
        data = f.default
        return f'((struct slice){{ (const uint8_t *)"{data}", {len(data.encode())} }})' if data else "WIRE_EMPTY"
    if f.type == "uuid":
        return "((struct uuid){ 0 })"
    if f.type == "bool":
        return "true" if f.default else "false"
    return int_literal(f.default)


def condition(versions, of):
    """A C condition on `version`, known to be in the range `of`; "" when it always holds."""
    parts = []
    if versions.low > of.low:
        parts.append(f"version >= {versions.low}")
    if versions.high < of.high:
        parts.append(f"version <= {versions.high}")
    return " && ".join(parts)


def truth(versions, of):
    """Like condition(), as an expression; None is the empty range."""
    common = versions.intersect(of) if versions is not None else None
    return "false" if common is None else condition(common, of) or "true"


def by_version(versions, value):
    """A C expression that yields value(version) for each version of the range."""
    expression = None
    start = versions.low
    pieces = []
    for version in versions:
        if version == versions.low or value(version) != pieces[-1][1]:
            pieces.append((version, value(version)))
    for start, v in pieces:
        expression = str(v) if expression is None else f"version >= {start} ? {v} : {expression}"
    return expression


def differs_from_default(f, m="m"):
    """A C condition that holds when the field has another value than its default."""
    x = f"{m}->{f.name}"
    if f.is_array:
        return f"{m}->n_{f.name} {'>= 0' if f.default is None else '!= 0'}"
    if f.is_struct:
        if f.nullable is not None:
            return f"{x} != NULL"
        return f"!is_default_{f.struct.c_name}(&{x})"
    if f.type == "uuid":
        return f"!uuid_is_zero(&{x})"
    if f.is_slice:
        if f.default is None:
            return f"!slice_is_null({x})"
        if f.default == "":
            return f"({x}.size != 0 || slice_is_null({x}))"
        return f"!slice_eq({x}, {default_value(f)})"
    if f.type == "bool":
        return f"!{x}" if f.default else x
    return f"{x} != {default_value(f)}"


def set_default(f, m="m"):
    """Statements that give a field its default."""
    x = f"{m}->{f.name}"
    if f.is_array:
        return [f"{x} = NULL;", f"{m}->n_{f.name} = {-1 if f.default is None else 0};"]
    if f.is_struct:
        return [f"{x} = NULL;"] if f.nullable is not None else [f"{f.struct.c_name}_init(&{x});"]
    return [f"{x} = {default_value(f)};"]


class Writer:
    """Collects indented lines of C. A line that ends in { opens a block, one that begins with } closes it."""

    def __init__(self):
        self.lines, self.depth = [], 0

    def add(self, *lines):
        for line in lines:
            if line.startswith("}"):
                self.depth -= 1
            indent = self.depth - (1 if line.startswith("case ") else 0)
            self.lines.append("    " * indent + line if line else "")
            if line.endswith("{"):
                self.depth += 1

    def function(self, head, body):
        self.add("", head)
        self.lines.append("{")
        self.depth += 1
        self.add(*body)
        self.depth -= 1
        self.lines.append("}")

    def text(self):
        return "\n".join(self.lines) + "\n"


def guarded(cond, lines):
    """if (cond) lines; without braces around a single statement of one line."""
    if len(lines) == 1 and "\n" not in lines[0]:
        return [f"if ({cond})", "    " + lines[0]]
    return [f"if ({cond}) {{", *lines, "}"]


def negated(cond):
    return f"!({cond})" if " " in cond else cond[1:] if cond.startswith("!") else f"!{cond}"


def block(cond, lines, otherwise=()):
    """if (cond) lines else otherwise; plain lines when the condition always holds."""
    lines, otherwise = list(lines), list(otherwise)
    if not cond:
        return lines
    if not lines:
        return guarded(negated(cond), otherwise) if otherwise else []
    if not otherwise:
        return guarded(cond, lines)
    if len(lines) == 1 and len(otherwise) == 1:
        return [f"if ({cond})", "    " + lines[0], "else", "    " + otherwise[0]]
    if len(otherwise) == 2 and otherwise[0].startswith("if ("):
        return [f"if ({cond}) {{", *lines, f"}} else {otherwise[0]} {{", otherwise[1].strip(), "}"]
    return [f"if ({cond}) {{", *lines, "} else {", *otherwise, "}"]
