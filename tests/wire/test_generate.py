#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The schema language: what is refused, with file, line and reason, and what the model of a good schema is."""

import os
import pathlib
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
TOP = pathlib.Path(os.environ.get("srcdir", pathlib.Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(TOP / "src" / "wire"))

from generator import c, header, samples, source  # noqa: E402
from generator.parse import read_schema  # noqa: E402
from generator.schema import SchemaError, Versions, min_size  # noqa: E402

HEAD = "message m versions 1-5 flexible 3 {\n"


def read(text):
    with tempfile.NamedTemporaryFile("w", suffix=".def") as file:
        file.write(text)
        file.flush()
        return read_schema([(file.name, "x.def")])


def message(*fields):
    """The message with these fields; the first is on line 2."""
    return read(HEAD + "\n".join(fields) + "\n}\n").messages[0]


class Refused(unittest.TestCase):
    def refused(self, error, text):
        with self.assertRaises(SchemaError) as caught:
            read(text)
        self.assertEqual(str(caught.exception), "x.def:" + error)

    def field(self, error, *fields):
        self.refused(error, HEAD + "\n".join(fields) + "\n}\n")

    def test_declarations(self):
        self.refused("1: 'thing' is neither api nor message", "thing x\n")
        self.refused("1: the api key 'x' is not a number", "api x\n")
        self.refused("1: the api name 'Fetch' must be of a-z, 0-9 and _", "api 1 Fetch\n")
        self.refused("1: versions is missing", "api 1 fetch\n")
        self.refused("1: the range of versions '4+' can't be open here", "api 1 fetch versions 4+ flexible 2\n")
        self.refused("1: the range of versions '4-3' is empty", "api 1 fetch versions 4-3 flexible 2\n")
        self.refused("1: the range of versions 'x' must look like 3, 3-7 or 3+", "api 1 fetch versions x flexible 2\n")
        self.refused("1: flexible is missing", "api 1 fetch versions 4-5\n")
        self.refused("1: served versions 3-5 are not within 4-5", "api 1 fetch versions 4-5 served 3-5 flexible 2\n")
        self.refused("2: request is expected here", "api 1 fetch versions 4-5 flexible 2\nresponse {\n")
        self.refused("1: 'and' is not expected here", "api 1 fetch versions 4-5 flexible 2 and\n")
        self.refused("1: { is missing", "message m versions 1-5 flexible 3\n")

    def test_double_declarations(self):
        body = "request {\nx int8\n}\nresponse {\nx int8\n}\n"
        one = "api 1 fetch versions 4-5 flexible 2\n" + body
        self.refused("8: api 1 other is defined twice", one + "api 1 other versions 4-5 flexible 2\n" + body)
        self.refused("8: api 2 fetch is defined twice", one + "api 2 fetch versions 4-5 flexible 2\n" + body)
        two = "message m versions 1 flexible never {\nx int8\n}\n"
        self.refused("4: message m is defined twice", two * 2)

    def test_the_end_of_the_file(self):
        self.refused("2: the file ends where } is expected", HEAD + "x int8\n")
        self.refused("1: the file ends where request is expected", "api 1 fetch versions 4-5 flexible 2\n")

    def test_fields(self):
        self.field("2: the type of the field is missing at the end of the line", "x")
        self.field("2: int128 is neither a type nor a struct that was defined before", "x int128")
        self.field("2: 'Topic' is neither a type nor the name of a struct", "x Topic {", "y int8", "}")
        self.field("3: field x is defined twice", "x int8", "x int16")
        self.field("2: 'maybe' is not expected here", "x int8 maybe")
        self.field("2: field x: versions 6-7 are outside of 1-5", "x int8 6-7")
        self.field("2: null is said twice", "x string null null")
        self.field("1: a struct without fields")
        self.field("2: a struct without fields", "x point {", "}")
        self.field("2: can't read '\"abc'", 'x string default "abc')

    def test_null(self):
        self.field("2: field x: int8 can't be null", "x int8 null")
        self.field("2: field x: default null, but it can't be null", "x string default null")
        self.field("2: field x: nullable versions 1-2 are outside of 3-5", "x string 3+ null 1-2")
        self.field("2: field x: a tagged struct can't be null", "x point 3+ null tag 0 {", "y int8", "}")

    def test_defaults(self):
        self.field("2: field x: default 128 doesn't fit into int8", "x int8 default 128")
        self.field("2: field x: default -1 doesn't fit into uint16", "x uint16 default -1")
        self.field("2: field x: default 'no' is not a number", "x int8 default no")
        self.field("2: field x: default 'no' is neither true nor false", "x bool default no")
        self.field("2: field x: default 'no' is not a plain string in quotes", "x string default no")
        self.field("2: field x: bytes knows no default but null", 'x bytes default "a"')
        self.field("2: field x: the default of an array or struct can only be null", "x []int8 default 1")

    def test_tags(self):
        self.field("2: field x: tagged in version 2, which is not flexible", "x int8 2+ tag 0")
        self.field("3: tag 0 is used twice", "x int8 3+ tag 0", "y int8 3+ tag 0")
        self.refused("2: field x: tagged in version 1, which is not flexible",
                     "message m versions 1 flexible never {\nx int8 tag 0\n}\n")

    def test_marks(self):
        self.field("2: field x: only strings can be inflexible", "x int8 inflexible")
        self.field("2: field x: only records without a tag can be streamed", "x bytes streamed")
        self.field("2: field x: streamed records inside of a tagged field",
                   "x point 3+ tag 0 {", "y records streamed", "}")

    def test_elements_without_size(self):
        self.field("2: field x: elements take no byte in version 1", "x []point {", "y int8 2+", "}")

    def test_structs(self):
        self.field("5: struct point is defined twice in m", "x point {", "y int8", "}", "z point {", "y int8", "}")
        self.field("5: struct point was defined for versions 3-5, not for all of 2-5",
                   "x point 3+ {", "y int8", "}", "z point 2+")
        self.field("3: point is neither a type nor a struct that was defined before", "x point {", "y point", "}")


class Model(unittest.TestCase):
    def test_versions_are_cut(self):
        m = message("x int8", "y string 2+ null 4-9", "z point 3-4 {", "a int8 2+", "}")
        x, y, z = m.body.fields
        self.assertEqual(x.versions, Versions(1, 5))
        self.assertEqual(y.nullable, Versions(4, 5))
        self.assertEqual(z.struct.fields[0].versions, Versions(3, 4))

    def test_smallest_sizes(self):
        m = message("x int8", "y string", "z []int64 2+", "p point 3+ {", "a uuid 4+", "b bytes", "}",
                    "t bool 3+ tag 0")
        self.assertEqual([min_size(m.body, v) for v in m.versions], [3, 7, 6, 22, 22])

    def test_conditions(self):
        of = Versions(2, 6)
        self.assertEqual(c.condition(Versions(2, 6), of), "")
        self.assertEqual(c.condition(Versions(3, 6), of), "version >= 3")
        self.assertEqual(c.condition(Versions(2, 5), of), "version <= 5")
        self.assertEqual(c.condition(Versions(3, 5), of), "version >= 3 && version <= 5")
        self.assertEqual(c.truth(None, of), "false")
        self.assertEqual(c.by_version(of, lambda v: v // 3), "version >= 6 ? 2 : version >= 3 ? 1 : 0")

    def test_comments_and_strings(self):
        m = message('x string default "a # b"  # the default', "# nothing")
        self.assertEqual(m.body.fields[0].default, "a # b")

    def test_output_depends_on_the_schema_only(self):
        files = [(path, path.name) for path in sorted((TOP / "src/wire/schema").glob("*.def"))]
        for emit in (header.emit, lambda s: source.emit(s, "h", "wire"), lambda s: samples.emit(s, "h", "wire")):
            self.assertEqual(emit(read_schema(files)), emit(read_schema(files[::-1])))


if __name__ == "__main__":
    result = unittest.main(exit=False, verbosity=0).result
    failed = len(result.failures) + len(result.errors)
    print(f"test_generate: {result.testsRun - failed} passed, {failed} failed")
    sys.exit(1 if failed or not result.testsRun else 0)
