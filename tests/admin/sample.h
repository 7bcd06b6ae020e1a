/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Figures of a node that has seen something of life, always the same. */

#include "admin/internal.h"

/* Two topics, "orders" with 2 partitions and "a.b-c" with 1; the partitions in an order of two reactors. */
void sample_report(struct node_report *r);
void sample_facts(struct facts *f);

struct sample {
    struct node_report report;
    struct facts facts;
    struct process_figures process;
    struct http_figures http;
    struct figures figures; /* of the above */
};

void sample_init(struct sample *s);
void sample_fini(struct sample *s);
