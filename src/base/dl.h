/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Libraries that a plain start doesn't need are loaded at first use.
 *
 *     #include <foo.h>
 *     #define FOO_CALLS(X) X(foo_open) X(foo_close)
 *     FOO_CALLS(DL_POINTER)                                       // static pointers dl_foo_open, dl_foo_close
 *     static const struct dl_symbol symbols[] = { FOO_CALLS(DL_SYMBOL) };
 *     DL_NOTE(foo, "libfoo.so.1", "suggested", "Reading foo files")
 *
 *     r = dl_load("libfoo.so.1", symbols, ARRAY_SIZE(symbols), err);
 *     if (r == 0)
 *         dl_foo_open(...);
 *
 * The header gives the types; nothing refers to the library at link time. The note goes into the program's
 * .note.dlopen section (the UAPI group's "ELF dlopen metadata"), from which packagers' tools make dependencies. */

#include "base/textbuf.h"

struct dl_symbol {
    const char *name;
    void **to;
};

#define DL_POINTER(f) static typeof(&(f)) dl_##f;
#define DL_SYMBOL(f) { #f, (void **)&dl_##f },

/* Fills in all pointers. The library stays loaded until the process ends; loading it again is harmless. Not for
 * several threads at once. Returns 0, -ENOENT when there is no such library, or -ENOSYS when it lacks a symbol; the
 * pointers are then untouched, and err, which may be NULL, says what dlopen(3) says. */
int dl_load(const char *soname, const struct dl_symbol *symbols, size_t n_symbols, struct error_text *err);

#define DL_NOTE_TYPE_ 0x407c0c0a
#define DL_NOTE_JSON_(feature, soname, priority, description) \
    "[{\"feature\":\"" feature "\",\"description\":\"" description "\",\"priority\":\"" priority \
    "\",\"soname\":[\"" soname "\"]}]"

/* priority: "required", "recommended" or "suggested". All but feature are string literals. */
#define DL_NOTE(feature, soname, priority, description) \
    __attribute__((used, retain, section(".note.dlopen"), aligned(4))) static const struct { \
        uint32_t name_size, json_size, type; \
        char name[4]; \
        _Alignas(4) char json[sizeof(DL_NOTE_JSON_(#feature, soname, priority, description))]; \
    } dl_note_##feature = { 4, sizeof(DL_NOTE_JSON_(#feature, soname, priority, description)), DL_NOTE_TYPE_, "FDO", \
                            DL_NOTE_JSON_(#feature, soname, priority, description) };
