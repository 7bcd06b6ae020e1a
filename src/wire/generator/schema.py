# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a schema says: messages, structs and fields, with the rules that they must obey."""

SCALARS = ("int8", "int16", "int32", "int64", "uint16", "uint32", "bool", "float64", "uuid")
SLICES = ("string", "bytes", "records")
TYPES = SCALARS + SLICES
INT_RANGES = {
    "int8": (-(1 << 7), (1 << 7) - 1),
    "int16": (-(1 << 15), (1 << 15) - 1),
    "int32": (-(1 << 31), (1 << 31) - 1),
    "int64": (-(1 << 63), (1 << 63) - 1),
    "uint16": (0, (1 << 16) - 1),
    "uint32": (0, (1 << 32) - 1),
}


class SchemaError(Exception):
    """A mistake in a schema; the text begins with file:line."""

    def __init__(self, where, text):
        super().__init__(f"{where}: {text}")


class Versions:
    """A closed range of versions, never empty."""

    def __init__(self, low, high):
        self.low, self.high = low, high

    def __eq__(self, other):
        return isinstance(other, Versions) and (self.low, self.high) == (other.low, other.high)

    def __hash__(self):
        return hash((self.low, self.high))

    def __contains__(self, version):
        return self.low <= version <= self.high

    def __iter__(self):
        return iter(range(self.low, self.high + 1))

    def __str__(self):
        return f"{self.low}" if self.low == self.high else f"{self.low}-{self.high}"

    def intersect(self, other):
        """What both have in common, or None."""
        low, high = max(self.low, other.low), min(self.high, other.high)
        return Versions(low, high) if low <= high else None


class Field:
    """One field. `type` is a name of TYPES, or None when `struct` is set. Ranges are cut to those of the message.
    `default` is an int, bool, str, or None for null; arrays know only None and [] (empty), structs None and {}."""

    def __init__(self, where, name):
        self.where, self.name = where, name
        self.type = self.struct = self.tag = self.nullable = self.versions = None
        self.is_array = self.ignorable = self.inflexible = self.streamed = False
        self.default = None

    @property
    def is_slice(self):
        return self.type in SLICES and not self.is_array

    @property
    def is_struct(self):
        return self.struct is not None and not self.is_array


class Struct:
    """The fields of a message or of a nested struct. `name` is "" for the message itself."""

    def __init__(self, where, name, message, versions):
        self.where, self.name, self.message, self.versions = where, name, message, versions
        self.fields = []

    @property
    def c_name(self):
        return self.message.c_name + ("_" + self.name if self.name else "")

    @property
    def plain_fields(self):
        return [f for f in self.fields if f.tag is None]

    @property
    def tagged_fields(self):
        return sorted((f for f in self.fields if f.tag is not None), key=lambda f: f.tag)


class Message:
    """One message. `api` is None for headers. `structs` holds the nested ones, each after those that it uses."""

    def __init__(self, where, name, versions, first_flexible, api=None, is_request=False):
        self.where, self.name, self.versions = where, name, versions
        self.api, self.is_request = api, is_request
        self.first_flexible = first_flexible  # None: never
        self.body = None
        self.structs = []

    @property
    def c_name(self):
        return "wire_" + self.name

    @property
    def is_streamed(self):
        return any(f.streamed for s in self.structs + [self.body] for f in s.fields)

    def is_flexible(self, version):
        return self.first_flexible is not None and version >= self.first_flexible

    @property
    def flexible_versions(self):
        if self.first_flexible is None:
            return None
        return Versions(self.first_flexible, 1 << 15).intersect(self.versions)


class Api:
    """An API: `versions` are those that can be coded and are advertised, `served` those that are really answered."""

    def __init__(self, key, name, versions, served, first_flexible):
        self.key, self.name, self.versions, self.served = key, name, versions, served
        self.first_flexible = first_flexible
        self.request = self.response = None

    @property
    def kafka_name(self):
        return "".join(word.capitalize() for word in self.name.split("_"))


class Schema:
    """All that was read from all files."""

    def __init__(self):
        self.apis, self.messages = [], []

    def sort(self):
        self.apis.sort(key=lambda api: api.key)
        self.messages.sort(key=lambda m: (m.api.key if m.api else -1, not m.is_request, m.name))


def min_size(struct, version):
    """Bytes of the smallest encoding of a struct in a version."""
    flexible = struct.message.is_flexible(version)
    size = 1 if flexible else 0  # the count of tagged fields
    for f in struct.plain_fields:
        if version in f.versions:
            size += field_min_size(f, version, flexible)
    return size


def element_min_size(field, version, flexible):
    """Bytes of the smallest element of an array field, or of the field itself when it is no array."""
    scalar_sizes = {"int8": 1, "bool": 1, "int16": 2, "uint16": 2, "int32": 4, "uint32": 4, "int64": 8, "float64": 8,
                    "uuid": 16}
    if field.struct is not None:
        return min_size(field.struct, version)
    if field.type in scalar_sizes:
        return scalar_sizes[field.type]
    if flexible and not field.inflexible:
        return 1
    return 2 if field.type == "string" else 4


def field_min_size(field, version, flexible):
    if field.is_array:
        return 1 if flexible else 4
    if field.is_struct and field.nullable is not None:
        if version in field.nullable:
            return 1
    return element_min_size(field, version, flexible)


def check_field(message, struct, f):
    """Raises SchemaError unless the field keeps the rules of the language."""
    flexible = message.flexible_versions
    if f.nullable is not None and f.type is not None and f.type not in SLICES and not f.is_array:
        raise SchemaError(f.where, f"field {f.name}: {f.type} can't be null")
    if f.default is None and f.nullable is None:
        raise SchemaError(f.where, f"field {f.name}: default null, but it can't be null")
    if f.inflexible and (f.type != "string" or f.is_array):
        raise SchemaError(f.where, f"field {f.name}: only strings can be inflexible")
    if f.streamed and (f.type != "records" or f.is_array or f.tag is not None):
        raise SchemaError(f.where, f"field {f.name}: only records without a tag can be streamed")
    if f.tag is not None:
        if flexible is None or f.versions.low < flexible.low:
            raise SchemaError(f.where, f"field {f.name}: tagged in version {f.versions.low}, which is not flexible")
        if f.is_struct and f.nullable is not None:
            raise SchemaError(f.where, f"field {f.name}: a tagged struct can't be null")
    if f.is_array:
        for version in f.versions:
            if element_min_size(f, version, message.is_flexible(version)) == 0:
                raise SchemaError(f.where, f"field {f.name}: elements take no byte in version {version}")
    if f.tag is not None and f.struct is not None and has_streamed(f.struct):
        raise SchemaError(f.where, f"field {f.name}: streamed records inside of a tagged field")


def has_streamed(struct):
    return any(f.streamed or (f.struct is not None and has_streamed(f.struct)) for f in struct.fields)


def check_struct(message, struct):
    if not struct.fields:
        raise SchemaError(struct.where, "a struct without fields")
    seen_names, seen_tags = set(), set()
    for f in struct.fields:
        if f.name in seen_names:
            raise SchemaError(f.where, f"field {f.name} is defined twice")
        seen_names.add(f.name)
        if f.tag is not None and f.tag in seen_tags:
            raise SchemaError(f.where, f"tag {f.tag} is used twice")
        seen_tags.add(f.tag)
        check_field(message, struct, f)


def check_message(message):
    for struct in message.structs + [message.body]:
        check_struct(message, struct)
