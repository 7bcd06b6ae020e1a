# SPDX-License-Identifier: LGPL-2.1-or-later
"""Small libraries in C that are loaded into a daemon before its own."""

import os
import subprocess

from e2elib.harness import TOP


def preload(t, name, **variables):
    """Compiles tests/power/NAME.c. Returns what to put into the daemon's environment, with its variables."""
    library = t.dir / f"{name}.so"
    subprocess.run([os.environ.get("CC", "gcc"), "-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC",
                    "-o", str(library), str(TOP / "tests" / "power" / f"{name}.c"), "-ldl"], check=True)
    return {"LD_PRELOAD": str(library), **variables}
