/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>

#include "bin/gqctl/gqctl.h"

static volatile sig_atomic_t caught;

static void on_signal(int number)
{
    caught = 1;
}

/* Without SA_RESTART, so that a read of standard input ends too. */
void interrupt_catch(void)
{
    struct sigaction sa = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND };

    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);
}

bool interrupted(void)
{
    return caught != 0;
}
