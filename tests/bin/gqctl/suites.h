/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "support/suite.h"

Suite *client_file_suite(void);
Suite *settings_suite(void);
Suite *format_suite(void);
Suite *say_suite(void);

/* Changes into an empty directory of the test's own, and back out of it, which removes it. */
void enter_directory(void);
void leave_directory(void);
void write_file(const char *path, const char *text);
