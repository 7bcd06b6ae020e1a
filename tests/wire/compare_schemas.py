#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Holds our schemas against the message definitions of Apache Kafka: compare_schemas.py KAFKA-CLIENTS.jar

The jar is org.apache.kafka:kafka-clients of Maven. Every field of every message in every version that we advertise is
compared: order, name, type, versions, nullable versions, tag, default, ignorable. Prints what differs and as last line
"N passed, N failed"."""

import json
import pathlib
import re
import sys
import zipfile

sys.dont_write_bytecode = True
TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "src" / "wire"))

from generator.parse import read_schema  # noqa: E402
from generator.schema import TYPES, Versions  # noqa: E402

# Kafka advertises Produce from 0 although its definition begins at 3, for the sake of old librdkafka (KAFKA-18659).
ADVERTISED_BELOW_DEFINITION = {"Produce": 0}
HEADERS = {"request_header": "RequestHeader", "response_header": "ResponseHeader"}
NO_END = 1 << 15


class Comparison:
    def __init__(self):
        self.passed = self.failed = 0

    def check(self, where, what, ours, theirs):
        if ours == theirs:
            self.passed += 1
            return
        self.failed += 1
        print(f"{where}: {what} is {ours}, in Kafka {theirs}")


def kafka_versions(text, within):
    """A range of Kafka's definitions ("0+", "1-3", "2", "none"), cut to another one; None when nothing is left."""
    m = re.match(r"(\d+)(?:(\+)|-(\d+))?\Z", text or "none")
    if not m:
        return None
    low = int(m[1])
    return Versions(low, NO_END if m[2] else int(m[3]) if m[3] else low).intersect(within)


def definitions(jar):
    """Name -> definition. The files are JSON with // comments."""
    found = {}
    with zipfile.ZipFile(jar) as archive:
        for name in archive.namelist():
            if re.match(r"common/message/\w+\.json\Z", name):
                text = archive.read(name).decode("utf-8")
                definition = json.loads(re.sub(r"^\s*//.*$", "", text, flags=re.M))
                found[definition["name"]] = definition
    return found


def plain(name):
    return name.replace("_", "").lower()


def kafka_default(field, kind, is_array, is_struct):
    """The default in the terms of generator.schema.Field."""
    value = field.get("default")
    if value == "null":
        return None
    if is_array:
        return []
    if is_struct:
        return {}
    if kind == "bool":
        return str(value).lower() == "true"
    if kind in ("string", "bytes", "records"):
        return value or ""
    if kind in ("float64", "uuid"):
        return 0
    return int(str(value or 0), 0)


class MessageComparison:
    def __init__(self, result, message, definition):
        self.result, self.message, self.definition = result, message, definition
        self.common = {s["name"]: s["fields"] for s in definition.get("commonStructs", [])}

    def run(self):
        m, d = self.message, self.definition
        flexible = kafka_versions(d["flexibleVersions"], m.versions)
        self.result.check(m.where, "the range of flexible versions", m.flexible_versions, flexible)
        self.fields(m.body, d["fields"], m.versions)

    def fields(self, struct, theirs, versions):
        theirs = [f for f in theirs if kafka_versions(f["versions"], versions) is not None]
        self.result.check(struct.where, "the order of fields", [plain(f.name) for f in struct.fields],
                          [plain(f["name"]) for f in theirs])
        by_name = {plain(f["name"]): f for f in theirs}
        for f in struct.fields:
            if plain(f.name) in by_name:
                self.field(f, by_name[plain(f.name)], versions)

    def field(self, f, theirs, versions):
        def check(what, ours, other):
            self.result.check(f.where, f"{f.name}: {what}", ours, other)

        kind = theirs["type"]
        is_array = kind.startswith("[]")
        kind = kind[2:] if is_array else kind
        own = kafka_versions(theirs["versions"], versions)
        check("being an array", f.is_array, is_array)
        check("the type", f.type, kind if kind in TYPES else None)
        check("the range of versions", f.versions, own)
        check("the nullable range", f.nullable, kafka_versions(theirs.get("nullableVersions"), own))
        check("the tag", f.tag, theirs.get("tag"))
        if "tag" in theirs:
            check("the tagged range", f.versions, kafka_versions(theirs["taggedVersions"], own))
        check("the default", f.default, kafka_default(theirs, kind, is_array, kind not in TYPES))
        check("ignorable", f.ignorable, bool(theirs.get("ignorable", False)))
        check("inflexible", f.inflexible, theirs.get("flexibleVersions") == "none")
        if f.struct is not None:
            self.fields(f.struct, theirs.get("fields") or self.common.get(kind, []), own)


def compare_api(result, api, kafka):
    request = kafka.get(f"{api.kafka_name}Request")
    if request is None:
        result.check(api.request.where, "the name of the API", api.kafka_name, "not there")
        return
    where = api.request.where
    valid = kafka_versions(request["validVersions"], Versions(0, NO_END))
    result.check(where, "the API key", api.key, request["apiKey"])
    result.check(where, "the range of served versions within Kafka's", api.served, api.served.intersect(valid))
    result.check(where, "the lowest served version", api.served.low, valid.low)
    result.check(where, "the lowest advertised version", api.versions.low,
                 ADVERTISED_BELOW_DEFINITION.get(api.kafka_name, valid.low))
    for message, kind in ((api.request, "Request"), (api.response, "Response")):
        MessageComparison(result, message, kafka[f"{api.kafka_name}{kind}"]).run()


def main():
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} KAFKA-CLIENTS.jar")
    kafka = definitions(sys.argv[1])
    if not kafka:
        sys.exit(f"{sys.argv[1]}: no message definitions in it")
    result = Comparison()
    schema = read_schema([(path, path.relative_to(TOP)) for path in sorted((TOP / "src/wire/schema").glob("*.def"))])
    for api in schema.apis:
        compare_api(result, api, kafka)
    for message in schema.messages:
        if message.api is None:
            MessageComparison(result, message, kafka[HEADERS[message.name]]).run()
    print(f"{result.passed} passed, {result.failed} failed")
    sys.exit(0 if result.failed == 0 and result.passed > 0 else 1)


if __name__ == "__main__":
    main()
