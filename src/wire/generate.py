#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes C from schema files: generate.py header|source|samples --output FILE SCHEMA..."""

import argparse
import os
import sys

sys.dont_write_bytecode = True  # the source tree may be read-only

from generator import header, samples, source  # noqa: E402
from generator.parse import read_schema  # noqa: E402
from generator.schema import SchemaError  # noqa: E402

EMITTERS = {
    "header": lambda schema, a: header.emit(schema),
    "source": lambda schema, a: source.emit(schema, a.include, a.prefix),
    "samples": lambda schema, a: samples.emit(schema, a.include, a.prefix),
}


def arguments():
    p = argparse.ArgumentParser(description="Makes C from schemas of Kafka messages.")
    p.add_argument("what", choices=EMITTERS)
    p.add_argument("--output", required=True, help="the file to write")
    p.add_argument("--include", default="wire/wire_messages.h", help="the header that the source includes")
    p.add_argument("--prefix", default="wire", help="the prefix of the tables' names")
    p.add_argument("schemas", nargs="+", help="schema files")
    return p.parse_args()


def main():
    a = arguments()
    try:
        text = EMITTERS[a.what](read_schema([(path, path) for path in a.schemas]), a)
    except SchemaError as e:
        sys.exit(str(e))
    os.makedirs(os.path.dirname(a.output) or ".", exist_ok=True)
    temporary = a.output + ".tmp"
    with open(temporary, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(temporary, a.output)


if __name__ == "__main__":
    main()
