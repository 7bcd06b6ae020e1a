/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Makes the directories of a path that are missing, with mode 0750, and syncs each one's parent, so that they are still
 * there after a power loss. Returns 0 or a negative errno. */
int sys_dirs_make(const char *path);
