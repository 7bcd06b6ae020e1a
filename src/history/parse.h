/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One line of the text format to one event. Internal to this module. */

#include "history/history.h"

/* Returns 1 and the event, 0 for a line that says nothing, or -EINVAL with column and sentence. The event's records
 * are the reader's. line has no newline. */
int history_parse_line(struct history_reader *r, struct slice line, struct history_event *ret_event,
                       struct history_error *err);
