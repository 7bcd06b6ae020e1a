# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reads schema files. The grammar is in src/wire/README.md."""

import re

from .schema import (INT_RANGES, TYPES, Api, Field, Message, Schema, SchemaError, Struct, Versions, check_message)

TOKEN = re.compile(r'\s*(?:(#.*)|("[^"]*")|([{}])|([^\s{}"#]+))')
NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
FIELD_WORDS = ("null", "default", "tag", "ignorable", "inflexible", "streamed")


class Line:
    """The words of one line, taken one by one."""

    def __init__(self, where, words):
        self.where, self.words = where, words

    def fail(self, text):
        raise SchemaError(self.where, text)

    def peek(self):
        return self.words[0] if self.words else None

    def take(self, what):
        if not self.words:
            self.fail(f"{what} is missing at the end of the line")
        return self.words.pop(0)

    def take_name(self, what):
        name = self.take(what)
        if not NAME.match(name):
            self.fail(f"{what} {name!r} must be of a-z, 0-9 and _")
        return name

    def take_if(self, word):
        if self.peek() == word:
            self.words.pop(0)
            return True
        return False

    def take_int(self, what):
        word = self.take(what)
        try:
            return int(word, 0)
        except ValueError:
            self.fail(f"{what} {word!r} is not a number")

    def take_versions(self, what, open_end):
        """"3", "3-7" or "3+" (up to open_end)."""
        word = self.take(what)
        m = re.match(r"(\d+)(?:(\+)|-(\d+))?\Z", word)
        if not m:
            self.fail(f"{what} {word!r} must look like 3, 3-7 or 3+")
        low = int(m[1])
        if m[2] and open_end is None:
            self.fail(f"{what} {word!r} can't be open here")
        high = open_end if m[2] else int(m[3]) if m[3] else low
        if high < low:
            self.fail(f"{what} {word!r} is empty")
        return Versions(low, high)

    def peek_is_versions(self):
        return self.peek() is not None and self.peek()[0].isdigit()

    def end(self):
        if self.words:
            self.fail(f"{self.words[0]!r} is not expected here")


class Parser:
    def __init__(self, schema):
        self.schema = schema
        self.lines = []

    def read(self, path, shown_name):
        with open(path, encoding="utf-8") as file:
            for number, text in enumerate(file, 1):
                line = self.split(f"{shown_name}:{number}", text.rstrip("\n"))
                if line.words:
                    self.lines.append(line)
        self.last = f"{shown_name}:{number}"
        while self.lines:
            self.declaration()

    @staticmethod
    def split(where, text):
        words, at = [], 0
        while at < len(text.rstrip()):
            m = TOKEN.match(text, at)
            if not m:
                raise SchemaError(where, f"can't read {text[at:].strip()!r}")
            if m[1] is None:
                words.append(m[2] or m[3] or m[4])
            at = m.end()
        return Line(where, words)

    def next_line(self, what):
        if not self.lines:
            raise SchemaError(self.last, f"the file ends where {what} is expected")
        return self.lines.pop(0)

    def declaration(self):
        line = self.next_line("a declaration")
        word = line.take("api or message")
        if word == "api":
            self.api(line)
        elif word == "message":
            self.message(line)
        else:
            line.fail(f"{word!r} is neither api nor message")

    @staticmethod
    def flexible(line):
        if not line.take_if("flexible"):
            line.fail("flexible is missing")
        return None if line.take_if("never") else line.take_int("the first flexible version")

    def api(self, line):
        key, name = line.take_int("the api key"), line.take_name("the api name")
        if any(a.key == key or a.name == name for a in self.schema.apis):
            line.fail(f"api {key} {name} is defined twice")
        if not line.take_if("versions"):
            line.fail("versions is missing")
        versions = line.take_versions("the range of versions", None)
        served = versions
        if line.take_if("served"):
            served = line.take_versions("the range of served versions", None)
            if served.intersect(versions) != served:
                line.fail(f"served versions {served} are not within {versions}")
        api = Api(key, name, versions, served, self.flexible(line))
        line.end()
        for what in ("request", "response"):
            head = self.next_line(what)
            if not head.take_if(what):
                head.fail(f"{what} is expected here")
            message = Message(head.where, f"{name}_{what}", versions, api.first_flexible, api, what == "request")
            self.body(head, message)
            setattr(api, what, message)
        self.schema.apis.append(api)

    def message(self, line):
        name = line.take_name("the name of the message")
        if not line.take_if("versions"):
            line.fail("versions is missing")
        versions = line.take_versions("the range of versions", None)
        self.body(line, Message(line.where, name, versions, self.flexible(line)))

    def body(self, head, message):
        if not head.take_if("{"):
            head.fail("{ is missing")
        head.end()
        if any(m.name == message.name for m in self.schema.messages):
            head.fail(f"message {message.name} is defined twice")
        message.body = Struct(head.where, "", message, message.versions)
        self.fields(message, message.body, message.versions)
        check_message(message)
        self.schema.messages.append(message)

    def fields(self, message, struct, versions):
        while True:
            line = self.next_line("}")
            if line.take_if("}"):
                line.end()
                return
            struct.fields.append(self.field(line, message, versions))

    def field(self, line, message, versions):
        f = Field(line.where, line.take_name("the name of the field"))
        type_name = line.take("the type of the field")
        f.is_array = type_name.startswith("[]")
        type_name = type_name[2:] if f.is_array else type_name
        f.versions = versions
        if line.peek_is_versions():
            own = line.take_versions("the range of versions", message.versions.high)
            f.versions = own.intersect(versions)
            if f.versions is None:
                line.fail(f"field {f.name}: versions {own} are outside of {versions}")
        default = self.attributes(line, f, message)
        if type_name in TYPES:
            f.type = type_name
        else:
            f.struct = self.nested(line, f, message, type_name)
        f.default = self.default(line, f, default)
        line.end()
        return f

    @staticmethod
    def attributes(line, f, message):
        """Sets what the words after the type say; returns the word of the default, or None."""
        default = None
        seen = set()
        while line.peek() in FIELD_WORDS:
            word = line.take("a word")
            if word in seen:
                line.fail(f"{word} is said twice")
            seen.add(word)
            if word == "null":
                f.nullable = f.versions
                if line.peek_is_versions():
                    own = line.take_versions("the nullable range", message.versions.high)
                    f.nullable = own.intersect(f.versions)
                    if f.nullable is None:
                        line.fail(f"field {f.name}: nullable versions {own} are outside of {f.versions}")
            elif word == "default":
                default = line.take("the default")
            elif word == "tag":
                f.tag = line.take_int("the tag")
            else:
                setattr(f, word, True)
        return default

    def nested(self, line, f, message, name):
        """The struct of a field: defined here, or, without braces, one that was defined before."""
        if not NAME.match(name):
            line.fail(f"{name!r} is neither a type nor the name of a struct")
        known = next((s for s in message.structs if s.name == name), None)
        if not line.take_if("{"):
            if known is None:
                line.fail(f"{name} is neither a type nor a struct that was defined before")
            if f.versions.intersect(known.versions) != f.versions:
                line.fail(f"struct {name} was defined for versions {known.versions}, not for all of {f.versions}")
            return known
        line.end()
        if known is not None:
            line.fail(f"struct {name} is defined twice in {message.name}")
        struct = Struct(line.where, name, message, f.versions)
        self.fields(message, struct, f.versions)
        message.structs.append(struct)
        return struct

    @staticmethod
    def default(line, f, word):
        if word == "null":
            return None
        if f.is_array or f.struct is not None:
            if word is not None:
                line.fail(f"field {f.name}: the default of an array or struct can only be null")
            return [] if f.is_array else {}
        if f.type in INT_RANGES:
            low, high = INT_RANGES[f.type]
            try:
                value = int(word or "0", 0)
            except ValueError:
                line.fail(f"field {f.name}: default {word!r} is not a number")
            if not low <= value <= high:
                line.fail(f"field {f.name}: default {word} doesn't fit into {f.type}")
            return value
        if f.type == "bool":
            if word not in (None, "true", "false"):
                line.fail(f"field {f.name}: default {word!r} is neither true nor false")
            return word == "true"
        if f.type == "string" and word is not None:
            if len(word) < 2 or word[0] != '"' or "\\" in word:
                line.fail(f"field {f.name}: default {word!r} is not a plain string in quotes")
            return word[1:-1]
        if word is not None:
            line.fail(f"field {f.name}: {f.type} knows no default but null")
        return 0 if f.type in ("float64", "uuid") else ""


def read_schema(files):
    """files: pairs of path and the name to show in messages."""
    schema = Schema()
    for path, shown_name in files:
        Parser(schema).read(path, shown_name)
    schema.sort()
    return schema
