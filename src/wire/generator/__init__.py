# SPDX-License-Identifier: LGPL-2.1-or-later
"""Turns src/wire/schema/*.def into C. See src/wire/README.md for the language."""
