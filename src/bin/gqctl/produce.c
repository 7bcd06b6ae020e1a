/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "bin/gqctl/gqctl.h"
#include "bin/gqctl/say.h"

#define MAX_SAID_FAILURES 10

/* What was acknowledged on one partition. */
struct tally {
    int64_t n, first, last;
};

struct producing {
    const struct settings *s;
    struct gq_producer *producer;
    struct progress progress;
    struct tally *tallies; /* by partition */
    size_t n_tallies;
    int64_t n_taken, n_acked, n_failed;
    int64_t bytes;
    int status; /* of the worst failure */
};

struct sent {
    struct producing *p;
    int64_t number; /* line, or how many-th message; from 1 */
};

/* --- what comes back --- */

static void note_ack(struct producing *p, const struct gq_delivery *d)
{
    struct tally *t;
    size_t wanted = (size_t)d->partition + 1;

    if (wanted > p->n_tallies) {
        p->tallies = xrealloc(p->tallies, wanted * sizeof(*p->tallies));
        memset(p->tallies + p->n_tallies, 0, (wanted - p->n_tallies) * sizeof(*p->tallies));
        p->n_tallies = wanted;
    }
    t = &p->tallies[d->partition];
    if (t->n == 0 || d->offset < t->first)
        t->first = d->offset;
    if (t->n == 0 || d->offset > t->last)
        t->last = d->offset;
    t->n++;
    p->n_acked++;
}

static void note_failure(struct producing *p, int64_t number, int result, const struct gq_error *err)
{
    char what[64];

    p->status = p->status == EX_TEMPFAIL ? EX_TEMPFAIL : exit_status_of(result);
    if (p->n_failed++ >= MAX_SAID_FAILURES)
        return;
    progress_end(&p->progress);
    snprintf(what, sizeof(what), "%s %lld", p->s->message == NULL ? "line" : "message", (long long)number);
    say_failure(what, result, err);
}

static void on_delivered(void *ctx, const struct gq_delivery *d)
{
    struct sent *sent = ctx;

    if (d->result < 0)
        note_failure(sent->p, sent->number, d->result, d->error);
    else
        note_ack(sent->p, d);
    free(sent);
}

/* --- sending --- */

/* True while it makes sense to go on: not after an interrupt, nor when brokers don't answer. */
static bool may_go_on(const struct producing *p)
{
    return !interrupted() && p->status != EX_TEMPFAIL;
}

static bool send_one(struct producing *p, struct gq_message *m)
{
    struct sent *sent = xmalloc(sizeof(*sent));
    struct gq_error err;
    int r;

    *sent = (struct sent){ p, ++p->n_taken };
    r = gq_producer_send_async(p->producer, m, on_delivered, sent, &err);
    if (r < 0) {
        free(sent);
        note_failure(p, p->n_taken, r, &err);
        /* What is wrong with the topic is wrong for all messages; what is wrong with one, for one. */
        return r == -EMSGSIZE && may_go_on(p);
    }
    p->bytes += (int64_t)(m->key_size + m->value_size);
    progress_show(&p->progress, p->n_acked, p->s->message != NULL ? MAX(p->s->count, 1) : -1, p->bytes);
    return may_go_on(p);
}

static void set_line(const struct producing *p, struct gq_message *m, char *line, size_t size)
{
    char *end = p->s->key_delimiter != '\0' ? memchr(line, p->s->key_delimiter, size) : NULL;

    m->key = end != NULL ? line : NULL;
    m->key_size = end != NULL ? (size_t)(end - line) : 0;
    m->value = end != NULL ? end + 1 : line;
    m->value_size = end != NULL ? size - m->key_size - 1 : size;
}

static void send_lines(struct producing *p, struct gq_message *m)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t size;

    while ((size = getline(&line, &room, stdin)) >= 0) {
        if (size > 0 && line[size - 1] == '\n')
            size--;
        set_line(p, m, line, (size_t)size);
        if (!send_one(p, m))
            break;
    }
    if (size < 0 && ferror(stdin) && !interrupted()) {
        say_error("standard input: %s", strerror(errno));
        p->status = EXIT_FAILURE;
    }
    free(line);
}

static void send_message(struct producing *p, struct gq_message *m)
{
    int64_t n = p->s->count < 0 ? 1 : p->s->count;

    m->value = p->s->message;
    m->value_size = strlen(p->s->message);
    while (p->n_taken < n && send_one(p, m))
        ;
}

static void send_all(struct producing *p)
{
    struct gq_message m = {
        .topic = p->s->topic,
        .partition = p->s->partition,
        .headers = p->s->headers,
        .n_headers = p->s->n_headers,
    };

    progress_init(&p->progress);
    if (p->s->message != NULL)
        send_message(p, &m);
    else
        send_lines(p, &m);
    gq_producer_flush(p->producer);
    progress_end(&p->progress);
}

/* --- telling --- */

static void print_tally(const struct settings *s, int32_t partition, const struct tally *t)
{
    if (s->json)
        print_json(json_pack("{s:s, s:i, s:I, s:I, s:I}", "topic", s->topic, "partition", (int)partition, "messages",
                             (json_int_t)t->n, "first_offset", (json_int_t)t->first, "last_offset",
                             (json_int_t)t->last));
    else if (t->n == 1)
        printf("Sent 1 message to %s: partition %d, offset %lld\n", s->topic, (int)partition, (long long)t->first);
    else
        printf("Sent %lld messages to %s: partition %d, offsets %lld to %lld\n", (long long)t->n, s->topic,
               (int)partition, (long long)t->first, (long long)t->last);
}

static int tell(struct producing *p)
{
    for (size_t i = 0; i < p->n_tallies; i++) {
        if (p->tallies[i].n > 0)
            print_tally(p->s, (int32_t)i, &p->tallies[i]);
    }
    trace_say("produced %lld messages to %s, %lld failed", (long long)p->n_acked, p->s->topic, (long long)p->n_failed);
    if (p->n_failed > 1)
        say_error("%lld of %lld messages were not stored", (long long)p->n_failed, (long long)p->n_taken);
    if (p->status == EXIT_SUCCESS && interrupted())
        return EXIT_INTERRUPTED;
    return p->status;
}

int run_produce(struct run *run)
{
    struct producing p = { .s = run->settings };
    struct gq_error err;
    int r, status;

    r = gq_producer_new(run->client, p.s->strategy, &p.producer, &err);
    if (r < 0)
        return say_failure(NULL, r, &err);
    interrupt_catch();
    send_all(&p);
    status = tell(&p);
    gq_producer_free(p.producer);
    free(p.tallies);
    return status;
}
